// Package events is the log of what happened to the containers, images, networks and
// volumes of one root, in docker's words.
//
// There is no daemon that tells: whoever does something appends a record of it, and
// whoever wants to know reads the file, now or as it grows. A record is a JSON text
// sequence's (RFC 7464): it begins with a separator that no text holds, so that one
// which a full disk or a power cut tore spoils no other. Appending is best effort;
// nothing fails because it could not be told.
package events

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"cove/internal/filelock"
	"cove/internal/leanjson"
)

// Type is what something happened to.
type Type string

// The types, in docker's words.
const (
	Builder   Type = "builder"
	Container Type = "container"
	Image     Type = "image"
	Network   Type = "network"
	Volume    Type = "volume"
)

// Event is one thing that happened.
type Event struct {
	Time time.Time `json:"time"`
	Type Type      `json:"type"`
	// Action is docker's, as start, or "exec_start: ls -l".
	Action string `json:"action"`
	// ID is of the container or network, the name of the volume, the image's ID or
	// the name by which it was asked for.
	ID         string            `json:"id,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
}

// Log is the log of a root. The zero value tells nobody.
type Log struct {
	dir string
	// turn is taken before the lock of the file. Whoever waits for that asks again
	// and again, and one that writes without pause would hardly ever be found without
	// it; a channel serves goroutines in the order in which they came.
	turn chan struct{}
}

// Of is the log of a root; nothing is made yet.
func Of(root string) Log { return Log{filepath.Join(root, "events"), make(chan struct{}, 1)} }

const (
	separator = 0x1e
	// maxFile is how large a file grows before another is begun. Two are kept, which
	// is some twenty thousand records.
	maxFile = 4 << 20
	// maxRecord bounds one: labels are of any length.
	maxRecord = 256 << 10
	// patience is how long a record waits for its turn. A process that is stopped
	// while it writes keeps others from beginning a new file, and from nothing else.
	patience = time.Second
)

func (l Log) file() string  { return filepath.Join(l.dir, "log") }
func (l Log) older() string { return filepath.Join(l.dir, "log.1") }

// Append adds what has just happened, in that order. Records of one root are in the
// order of their times.
func (l Log) Append(all ...Event) error {
	if l.dir == "" || len(all) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
	}
	lock, err := l.lock(ctx)
	if err == nil {
		defer filelock.Release(lock)
	} else if !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("events: %w", err)
	}
	var records []byte
	for _, e := range all {
		if e.Time.IsZero() {
			e.Time = time.Now().UTC()
		}
		record, err := encode(e)
		if err != nil {
			return fmt.Errorf("events: %w", err)
		}
		records = append(records, record...)
	}
	if err := l.write(records, lock != nil); err != nil {
		return fmt.Errorf("events: %w", err)
	}
	return nil
}

// Tell is Append for whoever has done its work already, which a full disk does not
// undo.
func (l Log) Tell(all ...Event) { _ = l.Append(all...) }

func encode(e Event) ([]byte, error) {
	data, err := leanjson.Marshal(e)
	if err == nil && len(data) > maxRecord {
		e.Attributes = map[string]string{"name": e.Attributes["name"], "image": e.Attributes["image"]}
		data, err = leanjson.Marshal(e)
	}
	return append(append([]byte{separator}, data...), '\n'), err
}

func (l Log) lock(ctx context.Context) (*os.File, error) {
	name := filepath.Join(l.dir, "lock")
	lock, err := filelock.Open(ctx, name, filelock.Exclusive)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(l.dir, 0o700); err == nil {
			lock, err = filelock.Open(ctx, name, filelock.Exclusive)
		}
	}
	return lock, err
}

// write appends in one call, which leaves all of a record or nothing when its
// process is killed.
func (l Log) write(records []byte, locked bool) error {
	f, err := os.OpenFile(l.file(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { f.Close() }()
	if info, err := f.Stat(); err == nil && locked && info.Size() > 0 && info.Size()+int64(len(records)) > maxFile {
		if err := os.Rename(l.file(), l.older()); err != nil {
			return err
		}
		f.Close()
		if f, err = os.OpenFile(l.file(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err != nil {
			return err
		}
	}
	_, err = f.Write(records)
	return err
}
