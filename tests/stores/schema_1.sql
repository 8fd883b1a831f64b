BEGIN TRANSACTION;
CREATE TABLE epoch (
        id INTEGER PRIMARY KEY,
        run TEXT NOT NULL REFERENCES run (id) ON DELETE CASCADE, epoch INTEGER NOT NULL, score TEXT NOT NULL,
        train_reported REAL, valid_reported REAL,
        gap REAL, gap_low REAL, gap_high REAL, gap_level REAL,  -- valid_reported - train_reported and its interval
        unattributed REAL NOT NULL, spent_s REAL NOT NULL, evaluations INTEGER NOT NULL,
        record TEXT NOT NULL,  -- JSON: all of the above and the rest; this is what whygap reads
        UNIQUE (run, epoch, score)
    );
INSERT INTO "epoch" VALUES(1,'r1',1,'loss',1.3,1.1,-1.99999999999999955591e-01,-2.99999999999999933386e-01,-9.99999999999999500399e-02,0.95,0.0,0.0,0,'{"epoch":1,"score":{"name":"loss","unit":null,"higher_is_better":false},"train_reported":1.3,"valid_reported":1.1,"gap":{"value":-0.19999999999999996,"low":-0.29999999999999993,"high":-0.09999999999999995,"level":0.95,"se":0.05,"df":12.5,"skew":0.0,"n":256,"how":"sampled","reliable":true,"why":"paired"},"terms":[{"cause":"averaging","estimate":{"value":-0.14285714285714285,"low":-0.24285714285714285,"high":-0.042857142857142844,"level":0.95,"se":0.05,"df":12.5,"skew":0.0,"n":256,"how":"sampled","reliable":true,"why":"paired"},"name":"","parts":[]},{"cause":"mode","estimate":{"value":0.3333333333333333,"low":0.2333333333333333,"high":0.43333333333333335,"level":0.95,"se":0.05,"df":12.5,"skew":0.0,"n":256,"how":"sampled","reliable":true,"why":"paired"},"name":"","parts":[{"cause":"noise","estimate":{"value":1e-300,"low":-0.1,"high":0.1,"level":0.95,"se":0.05,"df":12.5,"skew":0.0,"n":256,"how":"sampled","reliable":true,"why":"paired"},"name":"","parts":[]}]},{"cause":"memorisation","estimate":{"value":0.1,"low":0.0,"high":0.2,"level":0.95,"se":0.05,"df":12.5,"skew":0.0,"n":256,"how":"sampled","reliable":true,"why":"paired"},"name":"","parts":[]}],"unattributed":0.0,"rungs":[{"name":"reported","estimate":{"value":1.3,"low":1.2,"high":1.4000000000000001,"level":0.95,"se":0.05,"df":12.5,"skew":0.0,"n":256,"how":"sampled","reliable":true,"why":"paired"}}],"not_measured":[{"cause":"shift","why":"no fresh examples"}],"notes":["a note"],"draw_train":null,"spent_s":0.0,"evaluations":0,"repetition":null}');
INSERT INTO "epoch" VALUES(2,'r1',1,'accuracy',1.3,1.1,-1.99999999999999955591e-01,-2.99999999999999933386e-01,-9.99999999999999500399e-02,0.95,0.0,0.0,0,'{"epoch":1,"score":{"name":"accuracy","unit":"%","higher_is_better":true},"train_reported":1.3,"valid_reported":1.1,"gap":{"value":-0.19999999999999996,"low":-0.29999999999999993,"high":-0.09999999999999995,"level":0.95,"se":0.05,"df":12.5,"skew":0.0,"n":256,"how":"sampled","reliable":true,"why":"paired"},"terms":[{"cause":"averaging","estimate":{"value":-0.14285714285714285,"low":-0.24285714285714285,"high":-0.042857142857142844,"level":0.95,"se":0.05,"df":12.5,"skew":0.0,"n":256,"how":"sampled","reliable":true,"why":"paired"},"name":"","parts":[]},{"cause":"mode","estimate":{"value":0.3333333333333333,"low":0.2333333333333333,"high":0.43333333333333335,"level":0.95,"se":0.05,"df":12.5,"skew":0.0,"n":256,"how":"sampled","reliable":true,"why":"paired"},"name":"","parts":[{"cause":"noise","estimate":{"value":1e-300,"low":-0.1,"high":0.1,"level":0.95,"se":0.05,"df":12.5,"skew":0.0,"n":256,"how":"sampled","reliable":true,"why":"paired"},"name":"","parts":[]}]},{"cause":"memorisation","estimate":{"value":0.1,"low":0.0,"high":0.2,"level":0.95,"se":0.05,"df":12.5,"skew":0.0,"n":256,"how":"sampled","reliable":true,"why":"paired"},"name":"","parts":[]}],"unattributed":0.0,"rungs":[{"name":"reported","estimate":{"value":1.3,"low":1.2,"high":1.4000000000000001,"level":0.95,"se":0.05,"df":12.5,"skew":0.0,"n":256,"how":"sampled","reliable":true,"why":"paired"}}],"not_measured":[{"cause":"shift","why":"no fresh examples"}],"notes":["a note"],"draw_train":null,"spent_s":0.0,"evaluations":0,"repetition":null}');
CREATE TABLE problem (
        id INTEGER PRIMARY KEY, run TEXT NOT NULL REFERENCES run (id) ON DELETE CASCADE, epoch INTEGER, text TEXT NOT NULL
    );
INSERT INTO "problem" VALUES(1,'r1',1,'the probe failed in epoch 1');
CREATE TABLE run (
        seq INTEGER PRIMARY KEY,  -- order of arrival: the last run has the highest
        id TEXT NOT NULL UNIQUE, source TEXT NOT NULL, started TEXT NOT NULL, finished INTEGER NOT NULL DEFAULT 0,
        versions TEXT NOT NULL, seeds TEXT NOT NULL  -- JSON: package to version, name to seed
    );
INSERT INTO "run" VALUES(1,'r1','torch','2024-05-01T12:00:00Z',1,'{}','{}');
CREATE TABLE term (
        id INTEGER PRIMARY KEY,
        epoch_id INTEGER NOT NULL REFERENCES epoch (id) ON DELETE CASCADE,
        cause TEXT NOT NULL, part_of TEXT,  -- the cause that this is a part of; terms with NULL here add up to the gap
        value REAL NOT NULL, low REAL NOT NULL, high REAL NOT NULL, level REAL NOT NULL, se REAL NOT NULL, df REAL,
        n INTEGER NOT NULL, how TEXT NOT NULL, reliable INTEGER NOT NULL, why TEXT NOT NULL
    );
INSERT INTO "term" VALUES(1,1,'averaging',NULL,-1.42857142857142849212e-01,-2.42857142857142854763e-01,-4.28571428571428436615e-02,0.95,0.05,12.5,256,'sampled',1,'paired');
INSERT INTO "term" VALUES(2,1,'mode',NULL,3.33333333333333314829e-01,2.33333333333333309278e-01,4.33333333333333348136e-01,0.95,0.05,12.5,256,'sampled',1,'paired');
INSERT INTO "term" VALUES(3,1,'noise','mode',1.0e-300,-0.1,0.1,0.95,0.05,12.5,256,'sampled',1,'paired');
INSERT INTO "term" VALUES(4,1,'memorisation',NULL,0.1,0.0,0.2,0.95,0.05,12.5,256,'sampled',1,'paired');
INSERT INTO "term" VALUES(5,2,'averaging',NULL,-1.42857142857142849212e-01,-2.42857142857142854763e-01,-4.28571428571428436615e-02,0.95,0.05,12.5,256,'sampled',1,'paired');
INSERT INTO "term" VALUES(6,2,'mode',NULL,3.33333333333333314829e-01,2.33333333333333309278e-01,4.33333333333333348136e-01,0.95,0.05,12.5,256,'sampled',1,'paired');
INSERT INTO "term" VALUES(7,2,'noise','mode',1.0e-300,-0.1,0.1,0.95,0.05,12.5,256,'sampled',1,'paired');
INSERT INTO "term" VALUES(8,2,'memorisation',NULL,0.1,0.0,0.2,0.95,0.05,12.5,256,'sampled',1,'paired');
CREATE INDEX term_of_epoch ON term (epoch_id);
CREATE INDEX problem_of_run ON problem (run);
COMMIT;
