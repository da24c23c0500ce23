package hijack

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"

	"cove/engine/api/wire"
	engines "cove/engine/containers"
	"cove/errdefs"
)

// defaultKeys end a session with a terminal, as docker has them.
const defaultKeys = "ctrl-p,ctrl-q"

// DetachKeys are those that a request asks for, which only a terminal has. Wrong ones are
// refused without one, too.
func DetachKeys(q url.Values, tty bool) ([]byte, error) {
	keys, err := engines.ParseDetachKeys(cmp.Or(q.Get("detachKeys"), defaultKeys))
	if err != nil || !tty {
		return nil, err
	}
	return keys, nil
}

// Size reads the size of a terminal.
func Size(q url.Values) (s engines.Size, err error) {
	rows, err := wire.Int(q, "h", 0)
	if err != nil {
		return s, err
	}
	cols, err := wire.Int(q, "w", 0)
	const most = 1<<16 - 1
	if err == nil && (rows < 0 || cols < 0 || rows > most || cols > most) {
		err = errdefs.Errorf(errdefs.ErrInvalid, "a terminal of %d rows and %d columns cannot be", rows, cols)
	}
	return engines.Size{Rows: uint16(rows), Cols: uint16(cols)}, err
}

// StartError has the status that docker gives a program that cannot be started.
func StartError(err error) error {
	var start *engines.StartError
	if errors.As(err, &start) {
		return &wire.StatusError{Status: http.StatusBadRequest, Err: err}
	}
	return err
}
