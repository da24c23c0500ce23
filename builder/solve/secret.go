package solve

import (
	"bytes"

	"cove/builder/plan"
	"cove/errdefs"
)

// minSecret is how long a secret must be to be searched for: shorter ones are
// found everywhere.
const minSecret = 8

// secretsOf lists the values that a RUN may see and its layer must not hold.
func (s *solver) secretsOf(op *plan.Run) [][]byte {
	var out [][]byte
	for _, m := range op.Mounts {
		if v := bytes.TrimSpace(s.Secrets[m.ID]); m.Type == "secret" && len(v) >= minSecret {
			out = append(out, v)
		}
	}
	return out
}

// scanner is a writer that looks for secrets in what passes.
type scanner struct {
	secrets [][]byte
	keep    int // how much of the last write a secret may have begun in
	buf     []byte
	hit     bool
}

func newScanner(secrets [][]byte) *scanner {
	sc := &scanner{secrets: secrets}
	for _, s := range secrets {
		sc.keep = max(sc.keep, len(s)-1)
	}
	return sc
}

func (sc *scanner) Write(p []byte) (int, error) {
	if len(sc.secrets) == 0 {
		return len(p), nil
	}
	sc.buf = append(sc.buf, p...)
	for _, s := range sc.secrets {
		if bytes.Contains(sc.buf, s) {
			sc.hit = true
		}
	}
	sc.buf = append(sc.buf[:0], sc.buf[max(0, len(sc.buf)-sc.keep):]...)
	return len(p), nil
}

func (sc *scanner) found() error {
	if sc.hit {
		return errdefs.Errorf(errdefs.ErrDenied, "the command wrote the value of a secret into a file of the image: write it to a tmpfs, or nowhere")
	}
	return nil
}
