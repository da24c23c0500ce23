package hijack

import (
	"cmp"
	"errors"
	"math"
	"net/http"
	"net/url"
	"strconv"

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
	for _, side := range []struct {
		name, key string
		to        *uint16
	}{{"height", "h", &s.Rows}, {"width", "w", &s.Cols}} {
		text := q.Get(side.key)
		n, err := strconv.ParseInt(text, 10, 64)
		if err == nil && (n < 0 || n > math.MaxUint16) {
			err = strconv.ErrRange
		}
		if err != nil {
			var number *strconv.NumError
			if errors.As(err, &number) {
				err = number.Err
			}
			return s, errdefs.Errorf(errdefs.ErrInvalid, "invalid resize %s %q: %w", side.name, text, err)
		}
		*side.to = uint16(n)
	}
	return s, nil
}

// The exit codes of what is wrong with the program itself.
const (
	cannotRun       = 126
	commandNotFound = 127
)

// StartError has the status that docker gives a program that cannot be started.
func StartError(err error) error {
	var start *engines.StartError
	if errors.As(err, &start) {
		status := http.StatusInternalServerError
		if start.Code == commandNotFound || start.Code == cannotRun {
			status = http.StatusBadRequest
		}
		return &wire.StatusError{Status: status, Err: err}
	}
	return err
}
