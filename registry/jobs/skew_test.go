package jobs_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"cove/registry/auth"
	"cove/registry/jobs"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
)

// TestLeasesOfSkewedServers has two servers whose machines disagree about the time share
// jobs: what one of them does the other lets alone, however far ahead it is.
func TestLeasesOfSkewedServers(t *testing.T) {
	t.Parallel()
	postgres := metadatatest.Postgres(t)
	for _, skew := range []time.Duration{
		30 * time.Second, -30 * time.Second, 10 * time.Minute, -10 * time.Minute, 366 * 24 * time.Hour, -366 * 24 * time.Hour,
	} {
		t.Run(skew.String(), func(t *testing.T) {
			t.Parallel()
			dsn := postgres.New(t)
			at := func(off time.Duration) bench {
				db, err := metadata.Open(t.Context(), metadata.Config{DSN: dsn, Machine: func() time.Time { return time.Now().Add(off) }})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = db.Close() })
				return bench{t, db, jobs.NewJobs(db, auth.Judge{})}
			}
			right, wrong := at(0), at(skew)
			began := make(chan int64, 10)
			id, _ := right.add(jobs.New{Kind: "wait", Subject: "s"})
			late, _ := wrong.add(jobs.New{Kind: "wait", Subject: "late", Due: wrong.db.Now().Add(5 * time.Minute)})
			stop := right.run(blocked(began))
			if got := <-began; got != id {
				t.Fatalf("job %d began, want %d", got, id)
			}
			wrong.run(blocked(began))
			time.Sleep(1500 * time.Millisecond)
			if j := right.until(id, jobs.Running); j.Attempts != 1 {
				t.Errorf("it was begun again: %+v", j)
			}
			for _, b := range []bench{right, wrong} {
				if j := b.until(late, jobs.Waiting); j.Attempts != 0 {
					t.Errorf("what is due in five minutes has begun: %+v", j)
				}
			}
			stop() // gives it back, and the other begins it at once
			select {
			case <-began:
			case <-time.After(5 * time.Second):
				t.Error("the other server does not begin what was given back")
			}
		})
	}
}

// TestClockIsSet sets the clock of the one server of a registry, as a machine does that
// slept or learns the time only after its start.
func TestClockIsSet(t *testing.T) {
	t.Parallel()
	for _, by := range []time.Duration{time.Minute, 24 * time.Hour, -time.Minute, -24 * time.Hour, -10 * 365 * 24 * time.Hour} {
		t.Run(by.String(), func(t *testing.T) {
			t.Parallel()
			var set atomic.Int64
			db := metadatatest.OpenSQLite(t, func() time.Time { return time.Now().Add(time.Duration(set.Load())) })
			b := bench{t, db, jobs.NewJobs(db, auth.Judge{})}
			daily := jobs.Schedule{Kind: "daily", Subject: "s", Cron: "@every 24h", Zone: "UTC"}
			if err := jobs.Keep(t.Context(), db, daily); err != nil {
				t.Fatal(err)
			}
			began := make(chan int64, 10)
			ours, _ := b.add(jobs.New{Kind: "wait", Subject: "ours"})
			b.run(blocked(began))
			<-began
			theirs, _ := b.add(jobs.New{Kind: "wait", Subject: "of a server that was killed", Due: db.Now().Add(time.Hour)})
			err := db.Update(t.Context(), func(ctx context.Context, tx *metadata.Tx) error {
				_, err := tx.Querier().Exec(ctx, "UPDATE jobs SET state = 'running', runner = 'x', attempts = 1, due_at = $2 WHERE id = $1",
					theirs, tx.Now().Add(15*time.Second).UnixMicro())
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			set.Store(int64(by))
			time.Sleep(1200 * time.Millisecond)
			if j := b.until(ours, jobs.Running); j.Attempts != 1 {
				t.Errorf("what runs here was begun again: %+v", j)
			}
			set.Add(int64(16 * time.Second)) // the longest that a lease lasts
			select {
			case id := <-began:
				if id != theirs {
					t.Errorf("job %d began", id)
				}
			case <-time.After(5 * time.Second):
				t.Error("the job of a killed server rests until its clock would have come so far")
			}
			if j := b.until(ours, jobs.Running); j.Attempts != 1 {
				t.Errorf("what runs here was begun again: %+v", j)
			}
			err = db.Update(t.Context(), func(ctx context.Context, tx *metadata.Tx) error {
				s, _, err := jobs.ScheduleOf(ctx, tx.Querier(), "daily", "s")
				if until := s.Next.Sub(tx.Now()); until > 25*time.Hour {
					t.Errorf("what is to be done each day is done in %s", until)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}
