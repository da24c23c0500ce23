package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"cove/distribution"
	"cove/errdefs"
	"cove/registry/auth/throttle"
	"cove/registry/metadata"
)

// Trust takes tokens that others sign, as those of CI systems, for accounts of this
// registry.
type Trust interface {
	// Accept returns the accounts that take the token for their own, by name; none when
	// nobody here knows its issuer. A token of a known issuer that none takes is
	// errdefs.ErrUnauthenticated, and one whose issuer cannot be asked for its keys
	// errdefs.ErrUnavailable.
	Accept(ctx context.Context, token string) ([]Accepted, error)
}

// Accepted is an account that takes a token for its own.
type Accepted struct {
	Account metadata.User
	Subject string    // whom the issuer names
	Until   time.Time // when the token ends
}

// Trust has tokens of others accepted. Call it before the first sign-in.
func (l *Login) Trust(t Trust) { l.trust = t }

// trusted signs in with a token of another issuer. Several accounts may take it: if one
// has the name it is that, and else the caller's others are the rest. ok is false
// when the text is no such token.
func (l *Login) trusted(ctx context.Context, name, text, address string) (c Caller, ok bool, err error) {
	if l.trust == nil {
		return Caller{}, false, nil
	}
	accepted, err := l.trust.Accept(ctx, text)
	if err != nil || len(accepted) == 0 {
		return Caller{}, false, err
	}
	var all []Caller
	for _, a := range accepted {
		one := of(a.Account)
		one.Address, one.Subject, one.until, one.fresh = address, a.Subject, a.Until, true
		if one.Name == name {
			return one, true, nil
		}
		all = append(all, one)
	}
	c = all[0]
	c.others = all[1:]
	return c, true, nil
}

// trustedOrRefused is trusted for who has a name too: what is refused counts as a wrong
// password does.
func (l *Login) trustedOrRefused(ctx context.Context, name, text, address string) (Caller, bool, error) {
	c, ok, err := l.trusted(ctx, name, text, address)
	if !errors.Is(err, errdefs.ErrUnauthenticated) {
		return c, ok, err
	}
	try := &throttle.Attempt{Name: name, Address: address, Mark: sha256.Sum256([]byte(text))}
	done, failed := l.turn(ctx, try)
	if failed != nil {
		return c, false, failed
	}
	defer done()
	_ = l.refuse(try) // who looked at the token has said it in its own words
	return c, false, err
}

// arrived tells of a caller who came with a token of another issuer, once it is known
// which of the accounts counts.
func (l *Login) arrived(c Caller) Caller {
	if c.fresh && l.uses != nil {
		l.uses.SignedIn(c, c.Address)
	}
	c.fresh, c.others = false, nil
	return c
}

// permits is the caller, or of the accounts that take its token the first, that may do
// all that is asked.
func (a *Authorizer) permits(ctx context.Context, c Caller, access []distribution.Access) (Caller, error) {
	err := a.decideAll(ctx, c, access)
	if err == nil {
		return a.login.arrived(c), nil
	}
	for _, other := range c.others {
		if a.decideAll(ctx, other, access) == nil {
			return a.login.arrived(other), nil
		}
	}
	return c, err
}

func (a *Authorizer) decideAll(ctx context.Context, c Caller, access []distribution.Access) error {
	for _, one := range access {
		if err := a.decide(ctx, c, one); err != nil {
			return err
		}
	}
	return nil
}
