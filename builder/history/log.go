package history

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"cove/builder/event"
	"cove/builder/plan"
	"cove/errdefs"
)

// pastError is an error of a build that is over: its text.
type pastError string

func (e pastError) Error() string { return string(e) }

// maxLine bounds one line of a log: a write of a command, in base64.
const maxLine = 4 << 20

// Replay tells every event of a build again, in their order. One whose build still runs
// ends where the build is.
func (s Store) Replay(id string, tell func(event.Event)) error {
	if !validID(id) {
		return errdefs.Errorf(errdefs.ErrNotFound, "no build %q in the history", id)
	}
	f, err := os.Open(filepath.Join(s.Dir, id, logName))
	if err != nil {
		return errdefs.Errorf(errdefs.ErrNotFound, "log of build %s: %w", id, err)
	}
	defer f.Close()
	return replay(f, tell)
}

func replay(in io.Reader, tell func(event.Event)) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	steps := map[int]*plan.Vertex{}
	for lines.Scan() {
		var l line
		if json.Unmarshal(lines.Bytes(), &l) != nil {
			continue // the last line of a build that was killed
		}
		v := steps[l.Index]
		if v == nil {
			v = &plan.Vertex{Name: l.Name, Definition: l.Definition}
			steps[l.Index] = v
		}
		e := event.Event{
			Kind: l.Kind, Vertex: v, Index: l.Index, Total: l.Total, Time: time.Unix(0, l.Time).UTC(), Duration: l.Took,
			Stream: l.Stream, Data: l.Data, Reason: l.Reason,
		}
		if l.Err != "" {
			e.Err = pastError(l.Err)
		} else if l.Kind == event.Failed || l.Kind == event.Canceled {
			e.Err = errors.New("no reason was written down")
		}
		tell(e)
	}
	if err := lines.Err(); err != nil {
		return errdefs.Errorf(errdefs.ErrCorrupt, "log of a build: %w", err)
	}
	return nil
}
