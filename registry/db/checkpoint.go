package db

import (
	"context"
	"database/sql"
	"sync/atomic"
	"time"
)

const (
	// checkpointEvery is how often the write-ahead log is folded into the file, if
	// something was written.
	checkpointEvery = time.Second
	// longestLog is how many pages it has when the writer does it within a commit, for
	// which everybody waits: where more is written in a second, or no second is quiet.
	longestLog = "4096"
)

// checkpointer folds SQLite's write-ahead log beside the writer. SQLite alone would do it
// every thousand pages, which some ten pushes write, each time with two waits for the disk
// in the middle of a commit.
type checkpointer struct {
	pool    *sql.DB
	commits *atomic.Int64
	stop    context.CancelFunc
	ended   chan struct{}
}

// startCheckpoints begins; name is the database as the driver has it, and commits counts
// what was written.
func startCheckpoints(name string, commits *atomic.Int64) (*checkpointer, error) {
	pool, err := sql.Open("sqlite", name+"&_pragma=wal_autocheckpoint(0)")
	if err != nil {
		return nil, err
	}
	bound(pool, 1, 1)
	ctx, stop := context.WithCancel(context.Background())
	c := &checkpointer{pool: pool, commits: commits, stop: stop, ended: make(chan struct{})}
	go c.run(ctx) // close waits for it
	return c, nil
}

func (c *checkpointer) run(ctx context.Context) {
	defer close(c.ended)
	tick := time.NewTicker(checkpointEvery)
	defer tick.Stop()
	folded := int64(0)
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now := c.commits.Load()
		if now == folded {
			continue
		}
		var busy, pages, moved int64
		// What it cannot do now, on a full disk or beside readers, the next one does.
		err := c.pool.QueryRowContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)").Scan(&busy, &pages, &moved)
		if err == nil && busy == 0 && pages == moved {
			folded = now
		}
	}
}

func (c *checkpointer) close() error {
	c.stop()
	<-c.ended
	return c.pool.Close()
}
