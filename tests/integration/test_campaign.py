"""The crash campaign: processes are killed at random moments, one by one and all at once, over no-op jobs while more are
submitted; `fnr check` is green after each kill, and in the end every job was completed once.

FNR_CAMPAIGN_KILLS (default 60) and FNR_CAMPAIGN_JOBS (default 100 for each) say how long it is; `make crash-test` runs it in
full, 1 000 kills over 100 000 jobs. FNR_CRASH_SEED: its seed (default fixed).
"""

import os
import random
import threading
import time

from crash import Ledger, completions_in_journal, until
from system import System
from test_survival import bring_back, damage_at_random

CONFIG = "workers: {min: 4, max: 16}\nstop: {grace: 3}\njob: {max_lost: 1000}\nlog: {level: warn}\n"
BATCH = {"defaults": {"template": "noop", "inputs": {}}, "jobs": [{} for _ in range(100)]}


def submit(ledger, jobs, end):
    """So many in batches, as fast as they are run: never more than 2 000 ahead."""
    batches = []
    while len(batches) < jobs // 100 and not end.is_set():
        id = ledger.post("/api/v1/batches", BATCH)
        if id is None:
            end.wait(0.05)
            continue
        batches.append(id)
        while len(batches) >= 20 and not end.is_set() and not finished(ledger.system, batches[-20]):
            end.wait(0.02)


def finished(system, batch):
    try:
        answer = system.get(f"/api/v1/batches/{batch}", timeout=60)
        return answer.status == 200 and answer.json["state"] != "running"
    except Exception:      # it is being killed
        return False


def test_campaign():
    kills = int(os.environ.get("FNR_CAMPAIGN_KILLS", "60"))
    jobs = int(os.environ.get("FNR_CAMPAIGN_JOBS", kills * 100))
    seed = os.environ.get("FNR_CRASH_SEED", "2077")
    chance, killed = random.Random(seed), []
    print(f"FNR_CRASH_SEED={seed}")     # shown when it fails
    with System(CONFIG) as system:
        ledger, end = Ledger(system), threading.Event()
        submitter = threading.Thread(target=submit, args=(ledger, jobs, end))
        submitter.start()
        try:
            while len(killed) < kills:
                time.sleep(chance.random() * 0.4)
                killed.append(damage_at_random(system, chance))
                system.check()
                if system.process.poll() is not None:
                    bring_back(system)
                if len(killed) % 100 == 0:
                    print(len(killed), "kills", flush=True)
            bring_back(system)
            until(lambda: not submitter.is_alive(), "all jobs are submitted", timeout=900)
        finally:
            end.set()
            submitter.join()
        ledger.settle()
        batches = ledger.ids("/api/v1/batches")
        assert len(batches) >= jobs // 100
        for batch in batches:
            until(lambda: finished(system, batch), f"the batch {batch} is not finished", timeout=300)
            counts = system.get(f"/api/v1/batches/{batch}").json["counts"]
            assert {state: n for state, n in counts.items() if n} == {"completed": 100}, (batch, counts)
        system.stop()
        completions = completions_in_journal(system)
        assert set(completions.values()) <= {1}
        print(len(batches) * 100, "jobs,", len(killed), "kills, of everything:", killed.count("everything"))
        system.start()
