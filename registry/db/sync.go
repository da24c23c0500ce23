package db

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"cove/errdefs"
)

// errLost is of what was committed behind a sync that failed.
var errLost = errors.New("one before it has failed")

// syncer makes what the writer has committed durable, beside it: while one sync of the
// write-ahead log goes on the next transactions are worked on, and the one after it is for
// all of them together. Nobody is told of a commit before. SQLite itself only writes the
// log (synchronous = NORMAL), and syncs it before what is in it goes into the file.
type syncer struct {
	log *os.File
	// sync is fdatasync of the log, which needs no new time of the file on the disk.
	sync func() error

	due   chan []*job
	ended chan struct{}
	// lost says that a sync has failed: the kernel takes the pages for written from then on,
	// and the next sync would succeed without them.
	lost atomic.Bool
	// syncs are how many there were.
	syncs atomic.Int64
}

// startSyncer begins; file is the database, whose log is there.
func startSyncer(file string) (*syncer, error) {
	log, err := os.Open(file + "-wal")
	if err != nil {
		return nil, err
	}
	dir, err := os.Open(filepath.Dir(file))
	if err == nil {
		err = errors.Join(dir.Sync(), dir.Close()) // its name
	}
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	s := &syncer{log: log, due: make(chan []*job, maxBatch), ended: make(chan struct{})}
	s.sync = func() error {
		for {
			if err := unix.Fdatasync(int(log.Fd())); !errors.Is(err, unix.EINTR) {
				return err
			}
		}
	}
	go s.run() // stop waits for it
	return s, nil
}

func (s *syncer) run() {
	defer close(s.ended)
	for batch := range s.due {
		batch = s.gather(batch)
		err := errLost
		if !s.lost.Load() {
			err = s.sync()
			s.syncs.Add(1)
		}
		if err != nil {
			s.lost.Store(true)
			err = Unavailable(fmt.Errorf("syncing the write-ahead log: %w", err))
		}
		for _, j := range batch {
			j.err = err
			close(j.done)
		}
	}
}

// gather takes all that was committed before the sync that comes now.
func (s *syncer) gather(batch []*job) []*job {
	for {
		select {
		case more, open := <-s.due:
			if !open {
				return batch
			}
			batch = append(batch, more...)
		default:
			return batch
		}
	}
}

// stop ends it after what it was given, once nobody gives it more.
func (s *syncer) stop() {
	close(s.due)
	<-s.ended
}

// recover folds a log of which a sync has failed into the file, from the pages that are in
// memory still, and begins it anew. What is committed behind the failure would else be
// lost with it by a power cut.
func (w *writer) recover(ctx context.Context) error {
	if !w.syncer.lost.Load() {
		return nil
	}
	var busy, pages, moved int64
	err := w.conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &pages, &moved)
	if err == nil && busy != 0 {
		err = errdefs.Errorf(errdefs.ErrUnavailable, "the disk has failed, and the write-ahead log is still read")
	}
	if err == nil {
		w.syncer.lost.Store(false)
	}
	return err
}
