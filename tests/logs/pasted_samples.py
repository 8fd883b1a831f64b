"""More texts as people print and paste them, each with the numbers that are in it: (name, text, {score: (train, valid)})."""

SAMPLES = [
    (
        "tf2 per epoch",
        "Epoch 1/10\n"
        "1875/1875 - 3s - loss: 0.2930 - accuracy: 0.9146 - val_loss: 0.1379 - val_accuracy: 0.9591 - 3s/epoch - 2ms/step\n"
        "Epoch 2/10\n"
        "1875/1875 - 3s - loss: 0.1425 - accuracy: 0.9571 - val_loss: 0.1010 - val_accuracy: 0.9690 - 3s/epoch - 2ms/step\n",
        {"loss": ([0.293, 0.1425], [0.1379, 0.101]), "accuracy": ([0.9146, 0.9571], [0.9591, 0.969])},
    ),
    (
        "keras eta",
        "Epoch 1/5\n"
        " 7760/12000 [==================>...........] - ETA: 1s - loss: 0.5000\r"
        "12000/12000 [==============================] - 3s - loss: 0.4512 - val_loss: 0.3921\n"
        "Epoch 2/5\n"
        "12000/12000 [==============================] - 3s - loss: 0.3512 - val_loss: 0.3621\n",
        {"loss": ([0.4512, 0.3512], [0.3921, 0.3621])},
    ),
    (
        "plain0",
        "Epoch 0: train loss 2.31, val loss 2.30, val acc 0.11\nEpoch 1: train loss 2.11, val loss 2.10, val acc 0.21\n",
        {"loss": ([2.31, 2.11], [2.3, 2.1]), "accuracy": (None, [0.11, 0.21])},
    ),
    (
        "brackets",
        "[Epoch 1/50] train_loss=0.6931 train_acc=0.5123 | val_loss=0.6920 val_acc=0.5200\n"
        "[Epoch 2/50] train_loss=0.6831 train_acc=0.5523 | val_loss=0.6820 val_acc=0.5600\n",
        {"loss": ([0.6931, 0.6831], [0.692, 0.682]), "accuracy": ([0.5123, 0.5523], [0.52, 0.56])},
    ),
    (
        "udacity",
        "Epoch: 1 \tTraining Loss: 0.395846 \tValidation Loss: 0.234521\n"
        "Validation loss decreased (inf --> 0.234521).  Saving model ...\n"
        "Epoch: 2 \tTraining Loss: 0.295846 \tValidation Loss: 0.214521\n"
        "Validation loss decreased (0.234521 --> 0.214521).  Saving model ...\n",
        {"loss": ([0.395846, 0.295846], [0.234521, 0.214521])},
    ),
    (
        "bentrevett",
        "Epoch: 01 | Epoch Time: 0m 30s\n"
        "\tTrain Loss: 0.691 | Train Acc: 52.87%\n"
        "\t Val. Loss: 0.697 |  Val. Acc: 49.64%\n"
        "Epoch: 02 | Epoch Time: 0m 29s\n"
        "\tTrain Loss: 0.652 | Train Acc: 61.20%\n"
        "\t Val. Loss: 0.599 |  Val. Acc: 67.83%\n",
        {"loss": ([0.691, 0.652], [0.697, 0.599]), "accuracy": ([52.87, 61.2], [49.64, 67.83])},
    ),
    (
        "transfer",
        "Epoch 0/24\n"
        "----------\n"
        "train Loss: 0.6327 Acc: 0.6844\n"
        "val Loss: 0.2384 Acc: 0.9085\n"
        "\n"
        "Epoch 1/24\n"
        "----------\n"
        "train Loss: 0.5211 Acc: 0.7746\n"
        "val Loss: 0.2951 Acc: 0.8954\n"
        "\n",
        {"loss": ([0.6327, 0.5211], [0.2384, 0.2951]), "accuracy": ([0.6844, 0.7746], [0.9085, 0.8954])},
    ),
    (
        "nanogpt",
        "step 0: train loss 4.2874, val loss 4.2823\n"
        "iter 0: loss 4.2650, time 27613.93ms, mfu -100.00%\n"
        "iter 10: loss 3.2459, time 24.93ms, mfu 14.81%\n"
        "step 250: train loss 1.9655, val loss 2.0624\n"
        "iter 250: loss 2.0, time 3000.0ms, mfu 14.2%\n"
        "step 500: train loss 1.5208, val loss 1.7202\n",
        {"loss": ([4.2874, 1.9655, 1.5208], [4.2823, 2.0624, 1.7202])},
    ),
    (
        "fairseq",
        "2021-05-01 10:00:00 | INFO | train | epoch 001 | loss 8.812 | nll_loss 7.9 | ppl 240.1 | wps 1000\n"
        "2021-05-01 10:01:00 | INFO | valid | epoch 001 | valid on 'valid' subset | loss 7.5 | nll_loss 6.2 | ppl 75.3\n"
        "2021-05-01 10:02:00 | INFO | train | epoch 002 | loss 7.812 | nll_loss 6.9 | ppl 140.1 | wps 1000\n"
        "2021-05-01 10:03:00 | INFO | valid | epoch 002 | valid on 'valid' subset | loss 6.5 | nll_loss 5.2 | ppl 45.3\n",
        {"loss": ([8.812, 7.812], [7.5, 6.5])},
    ),
    (
        "lightgbm",
        "Training until validation scores don't improve for 100 rounds\n"
        "[50]\ttraining's binary_logloss: 0.241\tvalid_1's binary_logloss: 0.265\n"
        "[100]\ttraining's binary_logloss: 0.201\tvalid_1's binary_logloss: 0.255\n",
        {"binary_logloss": ([0.241, 0.201], [0.265, 0.255])},
    ),
    (
        "xgb warn",
        "[17:42:55] WARNING: ../src/learner.cc:1115: Starting in XGBoost 1.3.0\n"
        "[0]\ttrain-auc:0.87000\teval-auc:0.83000\n"
        "[1]\ttrain-auc:0.89000\teval-auc:0.84000\n",
        {"auc": ([0.87, 0.89], [0.83, 0.84])},
    ),
    (
        "ignite",
        "Training Results - Epoch: 1  Avg accuracy: 0.89 Avg loss: 0.38\n"
        "Validation Results - Epoch: 1  Avg accuracy: 0.90 Avg loss: 0.35\n"
        "Training Results - Epoch: 2  Avg accuracy: 0.91 Avg loss: 0.32\n"
        "Validation Results - Epoch: 2  Avg accuracy: 0.92 Avg loss: 0.30\n",
        {"loss": ([0.38, 0.32], [0.35, 0.3]), "accuracy": ([0.89, 0.91], [0.9, 0.92])},
    ),
    (
        "slash",
        "epoch: 10/100, loss: 0.5432, val_loss: 0.6123\nepoch: 20/100, loss: 0.4432, val_loss: 0.5123\n",
        {"loss": ([0.5432, 0.4432], [0.6123, 0.5123])},
    ),
    (
        "groups",
        "Epoch 1 | Train: Loss 0.345, Acc 0.88 | Valid: Loss 0.4, Acc 0.85\n"
        "Epoch 2 | Train: Loss 0.315, Acc 0.89 | Valid: Loss 0.38, Acc 0.86\n",
        {"loss": ([0.345, 0.315], [0.4, 0.38]), "accuracy": ([0.88, 0.89], [0.85, 0.86])},
    ),
    (
        "flax",
        "train epoch: 1, loss: 0.2340, accuracy: 92.88\n"
        "eval epoch: 1, loss: 0.0577, accuracy: 98.02\n"
        "train epoch: 2, loss: 0.0585, accuracy: 98.20\n"
        "eval epoch: 2, loss: 0.0414, accuracy: 98.55\n",
        {"loss": ([0.234, 0.0585], [0.0577, 0.0414]), "accuracy": ([92.88, 98.2], [98.02, 98.55])},
    ),
    (
        "mxnet",
        "INFO:root:Epoch[0] Train-accuracy=0.912000\n"
        "INFO:root:Epoch[0] Time cost=2.110\n"
        "INFO:root:Epoch[0] Validation-accuracy=0.953000\n"
        "INFO:root:Epoch[1] Train-accuracy=0.952000\n"
        "INFO:root:Epoch[1] Time cost=2.010\n"
        "INFO:root:Epoch[1] Validation-accuracy=0.963000\n",
        {"accuracy": ([0.912, 0.952], [0.953, 0.963])},
    ),
    (
        "wikitext",
        "| epoch   1 |   200/ 2983 batches | lr 5.00 | ms/batch 30.57 | loss  8.14 | ppl  3436.81\n"
        "| epoch   1 |   400/ 2983 batches | lr 5.00 | ms/batch 28.99 | loss  6.91 | ppl  1000.00\n"
        "-----------------------------------------------------------------------------------------\n"
        "| end of epoch   1 | time: 92.63s | valid loss  5.79 | valid ppl   327.35\n"
        "-----------------------------------------------------------------------------------------\n"
        "| epoch   2 |   200/ 2983 batches | lr 4.75 | ms/batch 30.57 | loss  5.94 | ppl  380.00\n"
        "| end of epoch   2 | time: 92.63s | valid loss  5.59 | valid ppl   267.35\n",
        {"loss": ([8.14, 6.91, 5.94], [5.79, 5.59])},
    ),
    (
        "full pct",
        "Epoch [1/20], Train Loss: 0.5000, Train Acc: 80.00%, Val Loss: 0.4500, Val Acc: 82.50%\n"
        "Epoch [2/20], Train Loss: 0.4000, Train Acc: 84.00%, Val Loss: 0.4200, Val Acc: 83.50%\n",
        {"loss": ([0.5, 0.4], [0.45, 0.42]), "accuracy": ([80, 84], [82.5, 83.5])},
    ),
    (
        "short",
        "Epoch 1: loss 0.23 - val_loss 0.25\nEpoch 2: loss 0.21 - val_loss 0.24\n",
        {"loss": ([0.23, 0.21], [0.25, 0.24])},
    ),
    (
        "keras3",
        "Epoch 1/2\n"
        "\x1b[1m313/313\x1b[0m \x1b[32m━━━━━━━━━━━━━━━━━━━━\x1b[0m\x1b[37m\x1b[0m \x1b[1m2s\x1b[0m 4ms/step "
        "- accuracy: 0.5512 - loss: 1.2345 - val_accuracy: 0.6012 - val_loss: 1.0123\n"
        "Epoch 2/2\n"
        "\x1b[1m313/313\x1b[0m \x1b[32m━━━━━━━━━━━━━━━━━━━━\x1b[0m\x1b[37m\x1b[0m \x1b[1m1s\x1b[0m 4ms/step "
        "- accuracy: 0.6512 - loss: 1.0345 - val_accuracy: 0.6312 - val_loss: 0.9523\n",
        {"loss": ([1.2345, 1.0345], [1.0123, 0.9523]), "accuracy": ([0.5512, 0.6512], [0.6012, 0.6312])},
    ),
    (
        "R verbose",
        "Epoch 1/30\n469/469 - 2s - loss: 0.4311 - acc: 0.8712 - val_loss: 0.1912 - val_acc: 0.9423 - 2s/epoch - 5ms/step\n",
        {"loss": ([0.4311], [0.1912]), "accuracy": ([0.8712], [0.9423])},
    ),
    (
        "hf prints",
        "{'loss': 0.6931, 'grad_norm': 3.1, 'learning_rate': 5e-05, 'epoch': 0.5}\n"
        "{'loss': 0.5931, 'grad_norm': 3.1, 'learning_rate': 4e-05, 'epoch': 1.0}\n"
        "{'eval_loss': 0.5520, 'eval_accuracy': 0.78, 'eval_runtime': 3.2, 'epoch': 1.0}\n"
        "{'loss': 0.4931, 'grad_norm': 3.1, 'learning_rate': 3e-05, 'epoch': 1.5}\n"
        "{'eval_loss': 0.5120, 'eval_accuracy': 0.79, 'eval_runtime': 3.2, 'epoch': 2.0}\n",
        {"loss": ([0.6931, 0.5931, 0.4931], [0.552, 0.512])},
    ),
    (
        "hf table",
        "Epoch\tTraining Loss\tValidation Loss\tAccuracy\n1\t0.253300\t0.223400\t0.912000\n2\t0.163300\t0.213400\t0.922000\n",
        {"loss": ([0.2533, 0.1633], [0.2234, 0.2134])},
    ),
    (
        "fastai",
        "epoch\ttrain_loss\tvalid_loss\taccuracy\ttime\n"
        "0\t0.731234\t0.512345\t0.812000\t00:12\n"
        "1\t0.531234\t0.412345\t0.852000\t00:12\n",
        {"loss": ([0.731234, 0.531234], [0.512345, 0.412345])},
    ),
    (
        "lightning bar",
        "Epoch 0: 100%|██████████| 469/469 [00:05<00:00, 90.12it/s, v_num=0, train_loss=0.312, val_loss=0.298]\n"
        "Epoch 1: 100%|██████████| 469/469 [00:05<00:00, 91.12it/s, v_num=0, train_loss=0.212, val_loss=0.208]\n",
        {"loss": ([0.312, 0.212], [0.298, 0.208])},
    ),
    (
        "catboost",
        "0:\tlearn: 0.6523\ttest: 0.6578\tbest: 0.6578 (0)\ttotal: 60ms\tremaining: 1m\n"
        "100:\tlearn: 0.3523\ttest: 0.3978\tbest: 0.3978 (100)\ttotal: 6s\tremaining: 1m\n",
        {"loss": ([0.6523, 0.3523], [0.6578, 0.3978])},
    ),
    (
        "time first",
        "2023-01-01 12:00:00,123 - train.py - INFO - Epoch 3/10 - train_loss: 0.8123 - val_loss: 0.9012\n"
        "2023-01-01 12:05:00,123 - train.py - INFO - Epoch 4/10 - train_loss: 0.7123 - val_loss: 0.8612\n",
        {"loss": ([0.8123, 0.7123], [0.9012, 0.8612])},
    ),
    (
        "csvish",
        "epoch,loss,val_loss\n0,0.5,0.6\n1,0.4,0.55\n",
        {"loss": ([0.5, 0.4], [0.6, 0.55])},
    ),
    (
        "tqdm multi",
        "Epoch 1/3: 100%|██████████| 100/100 [00:03<00:00, 30.1it/s, loss=0.523]\n"
        "Validation loss: 0.498\n"
        "Epoch 2/3: 100%|██████████| 100/100 [00:03<00:00, 30.1it/s, loss=0.423]\n"
        "Validation loss: 0.448\n",
        {"loss": ([0.523, 0.423], [0.498, 0.448])},
    ),
    (
        "sentence",
        "After epoch 1, the training loss is 0.5321 and the validation loss is 0.4987\n"
        "After epoch 2, the training loss is 0.4321 and the validation loss is 0.4687\n",
        {"loss": ([0.5321, 0.4321], [0.4987, 0.4687])},
    ),
    (
        "darts",
        "Epoch 5: 100%|█| 12/12 [00:00<00:00, 45.1it/s, loss=0.0123, train_loss=0.0119, val_loss=0.0145]\n"
        "Epoch 6: 100%|█| 12/12 [00:00<00:00, 45.1it/s, loss=0.0113, train_loss=0.0109, val_loss=0.0135]\n",
        {"loss": ([0.0119, 0.0109], [0.0145, 0.0135])},
    ),
    (
        "pandas hist",
        "       loss  accuracy  val_loss  val_accuracy\n"
        "0  0.512300  0.812300  0.412300      0.852300\n"
        "1  0.412300  0.842300  0.392300      0.862300\n",
        {"loss": ([0.5123, 0.4123], [0.4123, 0.3923])},
    ),
    (
        "T V",
        "Epoch 1/100 train_loss: 1.2345e-01 valid_loss: 2.3456e-01 lr: 1e-3\n"
        "Epoch 2/100 train_loss: 1.1345e-01 valid_loss: 2.2456e-01 lr: 1e-3\n",
        {"loss": ([0.12345, 0.11345], [0.23456, 0.22456])},
    ),
]
