package monitor

import (
	"os"
)

// stdio are the container's ends of its streams, nil with a terminal.
type stdio struct{ in, out, err *os.File }

func (s stdio) close() {
	for _, f := range []*os.File{s.in, s.out, s.err} {
		if f != nil {
			f.Close()
		}
	}
}
