# ruff: noqa: E501, E101 -- consoles are as wide as they are, and have tabs
"""What people's own training loops print, written for these tests, with the numbers that stand in them."""

from tests.logs.console_samples import SAMPLES, sample

OWN = "printed text"
FIRST = len(SAMPLES)

sample(
    "informer",
    OWN,
    """
    Use GPU: cuda:0
    >>>>>>>start training : informer_ETTh1_ftM_sl96_ll48_pl24>>>>>>>>>>>>>>>>>>>>>>>>>>
    train 8521
    val 2857
    test 2857
    	iters: 100, epoch: 1 | loss: 0.4284
    	speed: 0.0512s/iter; left time: 80.2s
    	iters: 200, epoch: 1 | loss: 0.3284
    	speed: 0.0312s/iter; left time: 50.2s
    Epoch: 1 cost time: 13.1
    Epoch: 1, Steps: 266 | Train Loss: 0.4123456 Vali Loss: 0.7123456 Test Loss: 0.6123456
    Validation loss decreased (inf --> 0.712346).  Saving model ...
    Updating learning rate to 0.0001
    	iters: 100, epoch: 2 | loss: 0.3084
    	iters: 200, epoch: 2 | loss: 0.2984
    Epoch: 2, Steps: 266 | Train Loss: 0.3123456 Vali Loss: 0.6923456 Test Loss: 0.6023456
    EarlyStopping counter: 1 out of 3
    """,
    {
        "train loss": [0.4284, 0.3284, 0.3084, 0.2984, 0.4123456, 0.3123456],
        "valid loss": [0.7123456, 0.6923456],
        "test loss": [0.6123456, 0.6023456],
    },
    facts={"steps_per_epoch": 266},
)
sample(
    "lasagne, with tabs",
    OWN,
    "Epoch 1 of 500 took 1.858s\n  training loss:\t\t1.233348\n  validation loss:\t\t0.405868\n  validation accuracy:\t\t88.78 %\n"
    "Epoch 2 of 500 took 1.845s\n  training loss:\t\t0.571644\n  validation loss:\t\t0.310221\n  validation accuracy:\t\t91.24 %\n",
    {"train loss": [1.233348, 0.571644], "valid loss": [0.405868, 0.310221], "valid accuracy": [88.78, 91.24]},
    epochs=[1, 2],
    facts={"epochs_planned": 500},
)
sample(
    "two outputs of keras by hand",
    OWN,
    "output: 2.1041 - val_output: 0.0096\noutput: 1.1041 - val_output: 0.0090\n",
    {"train output": [2.1041, 1.1041], "valid output": [0.0096, 0.0090]},
)
sample(
    "the MNIST example of PyTorch",
    OWN,
    """
    Train Epoch: 1 [0/60000 (0%)]	Loss: 2.300039
    Train Epoch: 1 [30000/60000 (50%)]	Loss: 1.213470
    Train Epoch: 1 [60000/60000 (100%)]	Loss: 0.413470

    Test set: Average loss: 0.2012, Accuracy: 9412/10000 (94%)

    Train Epoch: 2 [30000/60000 (50%)]	Loss: 0.313470

    Test set: Average loss: 0.1212, Accuracy: 9621/10000 (96%)
    """,
    {"train loss": [2.300039, 1.21347, 0.41347, 0.31347], "test loss": [0.2012, 0.1212], "test accuracy": [0.9412, 0.9621]},
    epochs=[0, 0.5, 1, 1.5],
)
sample(
    "the transfer learning tutorial of PyTorch",
    OWN,
    """
    Epoch 0/24
    ----------
    train Loss: 0.6512 Acc: 0.6512
    val Loss: 0.2512 Acc: 0.9012

    Epoch 1/24
    ----------
    train Loss: 0.4512 Acc: 0.8012
    val Loss: 0.2212 Acc: 0.9112

    Training complete in 1m 7s
    Best val Acc: 0.911200
    """,
    {
        "train loss": [0.6512, 0.4512],
        "train accuracy": [0.6512, 0.8012],
        "valid loss": [0.2512, 0.2212],
        "valid accuracy": [0.9012, 0.9112],
    },
    epochs=[1, 2],
)
sample(
    "the CIFAR tutorial of PyTorch",
    OWN,
    "[1,  2000] loss: 2.212\n[1,  4000] loss: 1.912\n[2,  2000] loss: 1.712\n[2,  4000] loss: 1.612\nFinished Training\n",
    {"train loss": [2.212, 1.912, 1.712, 1.612]},
    epochs=[0.5, 1, 1.5, 2],
)
sample(
    "the ImageNet example of PyTorch",
    OWN,
    "Epoch: [0][ 10/100]\tTime  0.412 ( 0.712)\tData  0.001 ( 0.121)\tLoss 6.9512e+00 (6.9912e+00)\tAcc@1   0.39 (  0.21)\tAcc@5   1.17 (  0.81)\n"
    "Epoch: [0][100/100]\tTime  0.412 ( 0.512)\tData  0.001 ( 0.021)\tLoss 6.1512e+00 (6.5912e+00)\tAcc@1   2.39 (  1.21)\tAcc@5   5.17 (  3.81)\n",
    {"train loss": [6.9512, 6.1512], "train acc1": [0.39, 2.39], "train acc5": [1.17, 5.17]},
    epochs=[0.1, 1.0],
)
sample(
    "the language model example of PyTorch",
    OWN,
    """
    | epoch   1 |   200/ 2983 batches | lr 20.00 | ms/batch 20.12 | loss  7.63 | ppl  2059.68
    -----------------------------------------------------------------------------------------
    | end of epoch   1 | time: 61.12s | valid loss  5.51 | valid ppl   247.15
    -----------------------------------------------------------------------------------------
    | epoch   2 |   200/ 2983 batches | lr 20.00 | ms/batch 20.12 | loss  5.63 | ppl   278.68
    | end of epoch   2 | time: 61.12s | valid loss  5.21 | valid ppl   183.15
    """,
    {"train loss": [7.63, 5.63], "train ppl": [2059.68, 278.68], "valid loss": [5.51, 5.21], "valid ppl": [247.15, 183.15]},
)
sample(
    "nanoGPT",
    OWN,
    """
    tokens per iteration will be: 491,520
    number of parameters: 123.59M
    step 0: train loss 10.9012, val loss 10.9112
    iter 0: loss 10.9212, time 51023.11ms, mfu -100.00%
    iter 10: loss 9.9212, time 511.11ms, mfu 30.10%
    step 2000: train loss 3.5012, val loss 3.5512
    """,
    {"train loss": [10.9012, 3.5012], "valid loss": [10.9112, 3.5512], "unknown loss": [10.9212, 9.9212]},
)
sample(
    "brackets and commas",
    OWN,
    "Epoch [1/10], Loss: 0.4312, Val Loss: 0.3912, Val Acc: 85.10%\nEpoch [2/10], Loss: 0.3312, Val Loss: 0.3512, Val Acc: 87.10%\n",
    {"train loss": [0.4312, 0.3312], "valid loss": [0.3912, 0.3512], "valid accuracy": [85.1, 87.1]},
    epochs=[1, 2],
    facts={"epochs_planned": 10},
)
sample(
    "bars of letters",
    OWN,
    "epoch 3 | loss 0.41 | val_loss 0.52\nepoch 4 | loss 0.39 | val_loss 0.53\n",
    {"train loss": [0.41, 0.39], "valid loss": [0.52, 0.53]},
    epochs=[3, 4],
)
sample(
    "splits only",
    OWN,
    "train: 0.5 valid: 0.6\ntrain: 0.4 valid: 0.55\n",
    {"train loss": [0.5, 0.4], "valid loss": [0.6, 0.55]},
    epochs=[1, 2],
)
sample("equals signs", OWN, "epoch=1 loss=0.3, val_loss=0.4\n", {"train loss": [0.3], "valid loss": [0.4]})
sample(
    "two lines an epoch without its number",
    OWN,
    "Training Loss: 0.512\nValidation Loss: 0.412\nTraining Loss: 0.412\nValidation Loss: 0.392\n",
    {"train loss": [0.512, 0.412], "valid loss": [0.412, 0.392]},
    epochs=[1, 2],
)
sample(
    "training and validation in one line",
    OWN,
    "Epoch: 1/30..  Training Loss: 0.512.. Test Loss: 0.412.. Test Accuracy: 0.852\n"
    "Epoch: 2/30..  Training Loss: 0.412.. Test Loss: 0.392.. Test Accuracy: 0.862\n",
    {"train loss": [0.512, 0.412], "test loss": [0.412, 0.392], "test accuracy": [0.852, 0.862]},
)
sample(
    "tabs, as a course prints them",
    OWN,
    "Epoch: 1 \tTraining Loss: 0.833544 \tValidation Loss: 0.191952\nValidation loss decreased (inf --> 0.191952).  Saving model ...\n"
    "Epoch: 2 \tTraining Loss: 0.321996 \tValidation Loss: 0.151952\n",
    {"train loss": [0.833544, 0.321996], "valid loss": [0.191952, 0.151952]},
)
sample(
    "a module's name and a level",
    OWN,
    "2023-03-22 09:32:32,123 - trainer - INFO - Epoch 1: train_loss=0.512 val_loss=0.612 lr=0.001\n"
    "2023-03-22 09:42:32,123 - trainer - INFO - Epoch 2: train_loss=0.412 val_loss=0.592 lr=0.001\n",
    {"train loss": [0.512, 0.412], "valid loss": [0.612, 0.592]},
)
sample(
    "the root logger",
    OWN,
    "INFO:root:Epoch 1 train loss 0.512 valid loss 0.612\nINFO:root:Epoch 2 train loss 0.412 valid loss 0.592\n",
    {"train loss": [0.512, 0.412], "valid loss": [0.612, 0.592]},
)
sample(
    "time stamps in brackets",
    OWN,
    "[2023/03/22 09:32:32] [INFO] epoch: 1, train acc: 71.2%, dev acc: 69.1%\n[2023/03/22 09:33:32] [INFO] epoch: 2, train acc: 75.2%, dev acc: 70.1%\n",
    {"train accuracy": [71.2, 75.2], "valid accuracy": [69.1, 70.1]},
)
sample(
    "absl",
    OWN,
    "I0322 09:32:32.123456 140123 train.py:98] step: 100, train_loss: 1.5, eval_loss: 1.6\n"
    "I0322 09:33:32.123456 140123 train.py:98] step: 200, train_loss: 1.2, eval_loss: 1.4\n",
    {"train loss": [1.5, 1.2], "valid loss": [1.6, 1.4]},
)
sample(
    "fairseq",
    OWN,
    "2021-03-01 10:11:12 | INFO | train | epoch 001 | loss 9.812 | nll_loss 9.112 | ppl 553.1 | wps 31000 | num_updates 1000 | lr 0.000125\n"
    "2021-03-01 10:11:42 | INFO | valid | epoch 001 | valid on 'valid' subset | loss 8.412 | nll_loss 7.612 | ppl 195.1 | num_updates 1000\n",
    {
        "train loss": [9.812],
        "train nll_loss": [9.112],
        "train ppl": [553.1],
        "valid loss": [8.412],
        "valid nll_loss": [7.612],
        "valid ppl": [195.1],
    },
)
sample(
    "headings for the splits",
    OWN,
    """
    Epoch 1
    Training:
      loss: 0.512
      accuracy: 0.812
    Validation:
      loss: 0.412
      accuracy: 0.852
    Epoch 2
    Training:
      loss: 0.412
      accuracy: 0.842
    Validation:
      loss: 0.392
      accuracy: 0.862
    """,
    {
        "train loss": [0.512, 0.412],
        "train accuracy": [0.812, 0.842],
        "valid loss": [0.412, 0.392],
        "valid accuracy": [0.852, 0.862],
    },
)
sample(
    "brackets for the splits",
    OWN,
    "[TRAIN] epoch 1 loss: 0.512 acc: 0.812\n[VAL] epoch 1 loss: 0.412 acc: 0.852\n[TRAIN] epoch 2 loss: 0.412 acc: 0.842\n[VAL] epoch 2 loss: 0.392 acc: 0.862\n",
    {
        "train loss": [0.512, 0.412],
        "train accuracy": [0.812, 0.842],
        "valid loss": [0.412, 0.392],
        "valid accuracy": [0.852, 0.862],
    },
)
sample(
    "validation told first",
    OWN,
    "Epoch 1: val_loss 0.512, loss 0.612\nEpoch 2: val_loss 0.502, loss 0.582\n",
    {"valid loss": [0.512, 0.502], "train loss": [0.612, 0.582]},
)
sample(
    "two numbers after one label",
    OWN,
    "Epoch 1 Train/Val Loss: 0.512/0.412\nEpoch 2 Train/Val Loss: 0.492/0.402\n",
    {"train loss": [0.512, 0.492], "valid loss": [0.412, 0.402]},
)
sample(
    "the score first, then the splits",
    OWN,
    "Epoch 1 - Loss: train 0.512 val 0.412; Acc: train 0.812 val 0.852\n",
    {"train loss": [0.512], "valid loss": [0.412], "train accuracy": [0.812], "valid accuracy": [0.852]},
)
sample(
    "tensors",
    OWN,
    "Epoch 1: train loss = tensor(0.5120, grad_fn=<NllLossBackward>), val loss = tensor(0.4120, device='cuda:0')\n",
    {"train loss": [0.512], "valid loss": [0.412]},
)
sample(
    "decimal commas",
    OWN,
    "Epoch 1, Train-Loss: 0,4567, Val-Loss: 0,5678\nEpoch 2, Train-Loss: 0,3567, Val-Loss: 0,4678\n",
    {"train loss": [0.4567, 0.3567], "valid loss": [0.5678, 0.4678]},
)
sample(
    "commas of thousands in steps",
    OWN,
    "Step 1,000/10,000 - train loss: 0.51 - val loss: 0.61\nStep 2,000/10,000 - train loss: 0.41 - val loss: 0.59\n",
    {"train loss": [0.51, 0.41], "valid loss": [0.61, 0.59]},
)
sample(
    "a bar per epoch and a line below",
    OWN,
    "Epoch 1/2: 100%|██████████| 469/469 [00:05<00:00, 90.10it/s]\ntrain_loss: 0.512 val_loss: 0.412\n"
    "Epoch 2/2: 100%|██████████| 469/469 [00:05<00:00, 90.10it/s]\ntrain_loss: 0.412 val_loss: 0.392\n",
    {"train loss": [0.512, 0.412], "valid loss": [0.412, 0.392]},
    epochs=[1, 2],
)
sample(
    "a bar of all epochs",
    OWN,
    "  0%|          | 0/2 [00:00<?, ?epoch/s]\r 50%|█████     | 1/2 [00:01<00:01,  1.0s/epoch, loss=0.512, val_loss=0.412]\r"
    "100%|██████████| 2/2 [00:02<00:00,  1.0s/epoch, loss=0.412, val_loss=0.392]\n",
    {"train loss": [0.512, 0.412], "valid loss": [0.412, 0.392]},
    epochs=[1, 2],
)
sample(
    "bars for training and validation",
    OWN,
    "Epoch 1\nTrain: 100%|██████████| 50/50 [00:05<00:00, 9.10it/s, loss=0.512]\nValid: 100%|██████████| 10/10 [00:01<00:00, 9.10it/s, loss=0.412]\n"
    "Epoch 2\nTrain: 100%|██████████| 50/50 [00:05<00:00, 9.10it/s, loss=0.412]\nValid: 100%|██████████| 10/10 [00:01<00:00, 9.10it/s, loss=0.392]\n",
    {"train loss": [0.512, 0.412], "valid loss": [0.412, 0.392]},
)
sample(
    "a printed dictionary",
    OWN,
    "1 {'train_loss': 0.512, 'val_loss': 0.412}\n2 {'train_loss': 0.412, 'val_loss': 0.392}\n",
    {"train loss": [0.512, 0.412], "valid loss": [0.412, 0.392]},
)
sample(
    "several folds",
    OWN,
    "Fold 1\nEpoch 1 train loss: 0.5 val loss: 0.6\nEpoch 2 train loss: 0.4 val loss: 0.5\nFold 2\nEpoch 1 train loss: 0.51 val loss: 0.61\n",
    {"train loss": [0.5, 0.4], "valid loss": [0.6, 0.5]},
    {"train loss": [0.51], "valid loss": [0.61]},
)
sample(
    "roots and means",
    OWN,
    "Epoch 010 | Train RMSE 1.2345 | Valid RMSE 1.3345 | Train MAE 0.9 | Valid MAE 1.0\n",
    {"train rmse": [1.2345], "valid rmse": [1.3345], "train mae": [0.9], "valid mae": [1.0]},
    epochs=[10],
)
sample(
    "a graph's three splits",
    OWN,
    "Epoch: 001, Loss: 1.9512, Train: 0.3512, Val: 0.2812, Test: 0.2912\nEpoch: 002, Loss: 1.8512, Train: 0.4512, Val: 0.3812, Test: 0.3912\n",
    {
        "train loss": [1.9512, 1.8512],
        "train score": [0.3512, 0.4512],
        "valid score": [0.2812, 0.3812],
        "test score": [0.2912, 0.3912],
    },
)
sample(
    "arrows and words",
    OWN,
    "After epoch 1 the training loss is 0.512 and the validation loss is 0.412\n",
    {"train loss": [0.512], "valid loss": [0.412]},
)
sample(
    "parentheses",
    OWN,
    "Epoch 1: loss (train): 0.512, loss (val): 0.412\nEpoch 2: loss (train): 0.412, loss (val): 0.402\n",
    {"train loss": [0.512, 0.412], "valid loss": [0.412, 0.402]},
)
sample(
    "seconds, memory and a learning rate",
    OWN,
    "epoch: 1 time: 12.5s mem: 2.1G lr: 1.0e-03 train_loss: 0.512 valid_loss: 0.412 best_valid_loss: 0.400\n",
    {"train loss": [0.512], "valid loss": [0.412]},
)
sample(
    "places among all epochs",
    OWN,
    "[1/10] train_loss: 0.5123 | valid_loss: 0.4123\n[2/10] train_loss: 0.4123 | valid_loss: 0.4023\n",
    {"train loss": [0.5123, 0.4123], "valid loss": [0.4123, 0.4023]},
    epochs=[1, 2],
    facts={"epochs_planned": 10},
)
sample(
    "a course on sentiment",
    OWN,
    """
    Epoch: 01 | Epoch Time: 0m 2s
    \tTrain Loss: 0.694 | Train Acc: 50.12%
    \t Val. Loss: 0.696 |  Val. Acc: 50.17%
    Epoch: 02 | Epoch Time: 0m 2s
    \tTrain Loss: 0.664 | Train Acc: 60.12%
    \t Val. Loss: 0.676 |  Val. Acc: 58.17%
    """,
    {
        "train loss": [0.694, 0.664],
        "train accuracy": [50.12, 60.12],
        "valid loss": [0.696, 0.676],
        "valid accuracy": [50.17, 58.17],
    },
    epochs=[1, 2],
)
sample(
    "MMDetection",
    OWN,
    "2022-01-01 10:00:00,000 - mmdet - INFO - Epoch [1][50/100]\tlr: 1.978e-03, eta: 1 day, 2:03:04, time: 0.5, memory: 3800, "
    "loss_cls: 1.2, loss: 2.5\n2022-01-01 10:01:00,000 - mmdet - INFO - Epoch(val) [1][625] accuracy_top-1: 67.2\n",
    {"train loss_cls": [1.2], "train loss": [2.5], "valid accuracy_top_1": [67.2]},
)
sample(
    "MXNet",
    OWN,
    "INFO:root:Epoch[0] Train-accuracy=0.112\nINFO:root:Epoch[0] Time cost=1.2\nINFO:root:Epoch[0] Validation-accuracy=0.12\n"
    "INFO:root:Epoch[1] Train-accuracy=0.212\nINFO:root:Epoch[1] Time cost=1.2\nINFO:root:Epoch[1] Validation-accuracy=0.22\n",
    {"train accuracy": [0.112, 0.212], "valid accuracy": [0.12, 0.22]},
    epochs=[1, 2],
)
sample(
    "a fold's last scores",
    OWN,
    "Fold 1: train loss 0.5, val loss 0.6\nFold 2: train loss 0.51, val loss 0.61\n",
    {"train loss": [0.5], "valid loss": [0.6]},
    {"train loss": [0.51], "valid loss": [0.61]},
)
sample(
    "a history",
    "printed history",
    "{'loss': [0.5123, 0.4123], 'accuracy': [0.7, 0.8],\n 'val_loss': [0.6123,\n 0.5523], 'val_accuracy': [0.71, 0.79], 'lr': [0.001, 0.001]}\n",
    {
        "train loss": [0.5123, 0.4123],
        "train accuracy": [0.7, 0.8],
        "valid loss": [0.6123, 0.5523],
        "valid accuracy": [0.71, 0.79],
    },
    epochs=[1, 2],
)
sample(
    "lists of losses",
    "printed history",
    "train losses: [0.5, 0.4, 0.3]\nval losses: [0.6, 0.5, 0.45]\n",
    {"train loss": [0.5, 0.4, 0.3], "valid loss": [0.6, 0.5, 0.45]},
    epochs=[1, 2, 3],
)
sample(
    "a data frame",
    "printed table",
    "       loss  accuracy  val_loss  val_accuracy\n0  0.512300    0.8123  0.412300        0.8523\n1  0.412300    0.8323  0.392300        0.8623\n",
    {
        "train loss": [0.5123, 0.4123],
        "train accuracy": [0.8123, 0.8323],
        "valid loss": [0.4123, 0.3923],
        "valid accuracy": [0.8523, 0.8623],
    },
    epochs=[1, 2],
)
PRINTED = SAMPLES[FIRST:]
