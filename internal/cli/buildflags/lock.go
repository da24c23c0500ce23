package buildflags

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/pflag"

	"cove/engine/builds"
	"cove/errdefs"
	"cove/internal/cli/app"
)

// Lock are the flags that say which file knows what names stand for.
type Lock struct {
	file   string
	locked bool

	lock *builds.Lock
}

func (f *Lock) Register(flags *pflag.FlagSet) {
	flags.StringVar(&f.file, "lock", "",
		"take base images, repositories and URLs as this file says, and write into it what it does not say; with --pull all anew")
	flags.BoolVar(&f.locked, "locked", false, "refuse what the file of --lock does not have; it is not written")
}

// Locked reads a lock file for a build that is refused whatever the file does not have.
func Locked(file string) (*builds.Lock, error) {
	f := Lock{file: file, locked: true}
	return f.Read(false)
}

// Read opens the lock; nil is none.
func (f *Lock) Read(pull bool) (*builds.Lock, error) {
	switch {
	case f.locked && f.file == "":
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "--locked: say with --lock FILE to which file")
	case f.locked && pull:
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "--locked takes base images as they were, --pull as they are: leave one out")
	case f.file == "":
		return nil, nil
	}
	text, err := os.ReadFile(f.file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !f.locked:
		f.lock = &builds.Lock{}
	case errors.Is(err, fs.ErrNotExist):
		return nil, errdefs.Errorf(errdefs.ErrNotFound,
			"--lock %s: there is no such file; a build without --locked writes it", f.file)
	case err != nil:
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "--lock: %w", err)
	default:
		if f.lock, err = builds.ParseLock(text); err != nil {
			return nil, fmt.Errorf("--lock %s: %w", f.file, err)
		}
	}
	f.lock.Sealed, f.lock.Renew = f.locked, pull
	return f.lock, nil
}

// Write writes the lock after a build that succeeded, if it says more than the file.
func (f *Lock) Write() error {
	if f.lock == nil || f.locked || !f.lock.Changed() {
		return nil
	}
	text, err := f.lock.Text()
	if err == nil {
		err = app.WriteText(f.file, text)
	}
	if err != nil {
		return fmt.Errorf("--lock: %w", err)
	}
	return nil
}
