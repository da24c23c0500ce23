package transfer

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"cove/distribution/errcode"
	"cove/errdefs"
	"cove/images/remote"
	"cove/reference"
)

// Attempt is something that was asked of a registry.
type Attempt struct {
	Doing string // as "pulling"
	Ref   reference.Reference
	// Known finds the registry that a bare host name is known to be.
	Known    func(host string) string
	Registry func() (remote.Registries, error)
}

// Explain says what was tried, and the commonest reason why it went wrong.
func (a Attempt) Explain(ctx context.Context, err error) error {
	err = unnamed(a.Ref, err)
	said := fmt.Errorf("%s %s: %w", a.Doing, a.Ref.Familiar(), err)
	switch kind := errdefs.KindOf(err); {
	case errors.Is(kind, errdefs.ErrNotFound), errors.Is(kind, errdefs.ErrUnavailable):
		if hint := a.Ref.Hint(a.Known); hint != "" {
			return fmt.Errorf("%w; %s", said, hint)
		}
	case errors.Is(kind, errdefs.ErrDenied), errors.Is(kind, errdefs.ErrUnauthenticated):
		if hint := a.Ref.Hint(a.Known); hint != "" {
			return fmt.Errorf("%w; %s", said, hint)
		}
		registry, err := a.Registry()
		if err != nil {
			return said
		}
		return Refused(ctx, registry.SignedIn, a.Ref.Registry, said)
	}
	return said
}

// Refused says of a refusal by a registry whether it is the sign-in that is missing,
// or its rights. One that came with a reason of the registry's keeps that alone.
func Refused(
	ctx context.Context, signedIn func(ctx context.Context, host string) bool, host string, err error,
) error {
	var answer *errcode.Error
	if !errors.As(err, &answer) { // refused by us, as plain HTTP is
		return err
	}
	switch {
	case !signedIn(ctx, host):
		return errdefs.Suggest(fmt.Errorf("%w; it is not there, or not for everybody", err), errdefs.Login, host)
	case errors.Is(err, errdefs.ErrUnauthenticated):
		return errdefs.Suggest(fmt.Errorf("%w; the sign-in that is kept for it may be out of date", err), errdefs.Login,
			host)
	case answer.Code == "": // a HEAD's refusal gives no reason
		return fmt.Errorf("%w; the account signed in may not do this: ask an administrator of the project", err)
	}
	return err
}

// unnamed takes the name that distribution put before an error off again: ours
// comes before it.
func unnamed(ref reference.Reference, err error) error {
	e, ok := errdefs.Outermost(err)
	if !ok || e.Side != ref.Name() {
		return err
	}
	short := *e
	short.Side = ""
	if short.Object == ref.Tag {
		short.Object = ""
	}
	return &short
}

// Hopeless says of a failed pull that the image is what is wrong: whoever tries again
// gets the same. Of any other what came is kept for the next try.
func Hopeless(err error) bool {
	full := errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
	return errors.Is(err, errdefs.ErrInvalid) || errors.Is(err, errdefs.ErrUnsupported) ||
		errors.Is(err, errdefs.ErrExhausted) && !full
}
