package logs

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"cove/runner/logs/ship"
)

// KeepFor bounds how old what is kept becomes: a file is rotated when its first line is as
// old as age, and one that was rotated is removed when its last line is. It is called before
// the first Write; 0 or less is no bound.
func (w *Writer) KeepFor(age time.Duration) error {
	if age <= 0 || w.path == "" {
		return nil
	}
	w.maxAge, w.aged = age, make(chan struct{})
	first, err := w.firstTime()
	if err != nil {
		return err
	}
	w.began = first
	w.aging.Go(func() {
		look := time.NewTicker(min(max(age/8, 100*time.Millisecond), time.Hour))
		defer look.Stop()
		for {
			select {
			case <-w.aged:
				return
			case <-look.C:
				_ = w.age() // the next line tells of a disk that fails
			}
		}
	})
	return nil
}

// age removes what has become too old while nothing is printed.
func (w *Writer) age() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.behind != nil {
		return w.behind.Send(ship.Message{}) // the file is its own
	}
	return w.expire()
}

// endAging ends what looks at the age of files.
func (w *Writer) endAging() {
	if w.aged != nil {
		close(w.aged)
		w.aging.Wait()
		w.aged = nil
	}
}

// firstTime is when the first line of the file was printed; the zero time without one.
func (w *Writer) firstTime() (time.Time, error) {
	if w.size == 0 {
		return time.Time{}, nil
	}
	f, err := os.Open(w.path)
	if err != nil {
		return time.Time{}, fmt.Errorf("logs: %w", err)
	}
	defer f.Close()
	var e entry
	line, err := bufio.NewReader(f).ReadBytes('\n')
	if err != nil || json.Unmarshal(line, &e) != nil || e.Time.IsZero() {
		return w.now(), nil // torn by a crash: it is as old as this writer
	}
	return e.Time, nil
}

// expire rotates and removes what is too old.
func (w *Writer) expire() error {
	if w.maxAge <= 0 {
		return nil
	}
	now := w.now()
	if w.size > 0 && now.Sub(w.began) >= w.maxAge {
		if err := w.rotate(); err != nil {
			return err
		}
	}
	for i := w.maxFile - 1; i > 0; i-- {
		name := rotated(w.path, i)
		info, err := os.Stat(name)
		if err == nil && now.Sub(info.ModTime()) >= w.maxAge {
			err = os.Remove(name)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("logs: %w", err)
		}
	}
	return nil
}
