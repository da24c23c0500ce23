package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"cove/distribution/errcode"
	"cove/errdefs"
	"cove/internal/limit"
	"cove/registry/auth/passhash"
	"cove/registry/auth/recent"
	"cove/registry/auth/throttle"
	"cove/registry/identity"
	"cove/registry/metadata"
	"cove/registry/metadata/people"
)

// At most so many wait for one account at one address and for one address, and
// behind the pauses of a known account: the last of those for ten seconds.
const maxWaiting, maxPausing = 256, 5

// Login checks names and passwords.
type Login struct {
	db       *metadata.DB
	hasher   *passhash.Hasher
	throttle *throttle.Throttle
	turns    limit.Keyed // by account and address, and by address
	pause    func(context.Context, time.Duration) error

	now       func() time.Time
	users     recent.Answers[string, metadata.User]
	tokens    recent.Answers[string, people.AccessToken] // by hash
	byID      recent.Answers[int64, people.AccessToken]
	uses      Uses                                                          // nil without one
	key       []byte                                                        // of the HMAC; as old as the process
	directory atomic.Pointer[Directory]                                     // nil, or to nil, without one
	trust     Trust                                                         // nil without one
	Accounts  func(ctx context.Context, name string) (metadata.User, error) // whom a name means that signs in
}

// Directory checks the passwords of those who have none here, and returns their
// account. A wrong pair is errdefs.ErrUnauthenticated.
type Directory interface {
	Check(ctx context.Context, name, password string) (metadata.User, error)
}

// Ask has a directory, nil for nobody, check whom this registry does not know, and whom
// it knows from there. What another one has said holds no longer.
func (l *Login) Ask(d Directory) { l.directory.Store(&d); l.throttle.Forget() }

// NewLogin returns a Login over the accounts of db.
func NewLogin(db *metadata.DB, hasher *passhash.Hasher, now func() time.Time) *Login {
	l := &Login{
		db: db, Accounts: db.UserByName, hasher: hasher, pause: throttle.Pause, key: make([]byte, 32),
		throttle: throttle.New(now), turns: limit.Keyed{Most: maxWaiting},
		now: now, users: recent.Answers[string, metadata.User]{Now: now},
		tokens: recent.Answers[string, people.AccessToken]{Now: now},
		byID:   recent.Answers[int64, people.AccessToken]{Now: now},
	}
	_, _ = rand.Read(l.key) // never fails (crypto/rand)
	return l
}

// errRefused is the one answer to a wrong name and to a wrong password.
func errRefused() error {
	return errdefs.Errorf(errdefs.ErrUnauthenticated, "wrong user name or password")
}

// Uses hears of every sign-in, and of those that were refused. It must not wait.
type Uses interface {
	SignedIn(by Caller, address string)
	Refused(name, address string)
}

// Tell has uses hear. Call it before the first sign-in.
func (l *Login) Tell(uses Uses) { l.uses = uses }

// enter is the account as a caller who has just signed in, if it may.
func (l *Login) enter(u metadata.User, with *allowance, address string) (Caller, error) {
	u, err := l.enabled(u)
	if err != nil {
		return Caller{}, err
	}
	c := of(u)
	c.limit, c.Address = with, address
	if l.uses != nil {
		l.uses.SignedIn(c, address)
	}
	return c, nil
}

// refuse counts a try that failed, and tells of it.
func (l *Login) refuse(try *throttle.Attempt) error {
	l.throttle.Failed(try)
	if l.uses != nil {
		l.uses.Refused(try.Name, try.Address)
	}
	return errRefused()
}

// Check returns the user with this name and password, for who signs in to the pages:
// a robot does not. Errors are those of Credentials.
func (l *Login) Check(ctx context.Context, name, password, address string) (metadata.User, error) {
	u, err := l.check(ctx, name, password, address)
	if err == nil && u.Kind != people.KindUser {
		return metadata.User{}, errRefused()
	}
	if err == nil {
		_, err = l.enter(u, nil, address)
	}
	return u, err
}

// check returns the account with this name and password, disabled or not. A wrong pair is
// errdefs.ErrUnauthenticated, the same and after the same time whether the
// name exists or not; guessing at an account answers 429 for a while.
func (l *Login) check(ctx context.Context, name, password, address string) (metadata.User, error) {
	u, err := l.user(ctx, name)
	if err != nil && !errors.Is(err, errdefs.ErrNotFound) {
		return metadata.User{}, err
	}
	try := &throttle.Attempt{Name: name, Address: address, Mark: l.mark(u, password)}
	if u.ID != 0 && l.throttle.Remembered(try) {
		return u, nil
	}
	done, err := l.turn(ctx, try)
	if err != nil {
		return metadata.User{}, err
	}
	defer done()
	unlock, err := l.turns.LockAmong(ctx, try.Password(), 0) // who comes with the same one waits for its one hash
	if err != nil {
		return metadata.User{}, err
	}
	defer unlock()
	if u.ID != 0 && l.throttle.Vouched(try) {
		return u, nil
	}
	// One that was changed a moment ago is good at once: a try that costs a hash may cost a question too.
	l.users.Forget(name)
	if u, err = l.user(ctx, name); err != nil && !errors.Is(err, errdefs.ErrNotFound) {
		return metadata.User{}, err
	}
	u, err = l.verify(ctx, u, name, password)
	switch {
	case errors.Is(err, errdefs.ErrUnauthenticated):
		_ = l.refuse(try) // who said so has said it in its own words
		return metadata.User{}, err
	case err != nil:
		return metadata.User{}, err
	}
	try.Mark = l.mark(u, password) // a directory may have made the account just now
	l.throttle.Succeeded(try)
	return u, nil
}

// verify asks whoever knows the password of an account; u is the one that is here.
func (l *Login) verify(ctx context.Context, u metadata.User, name, password string) (_ metadata.User, err error) {
	d, begun := l.directory.Load(), time.Now()
	asked := d != nil && *d != nil
	var right bool
	if asked && (u.ID == 0 || u.Source == identity.LDAP) {
		u, err = (*d).Check(ctx, name, password)
	} else if right, err = l.hasher.Verify(ctx, u.PasswordHash, password); err == nil && (!right || u.ID == 0) {
		err = errRefused() // also nobody's password is hashed: it takes as long
	}
	if asked && errors.Is(err, errdefs.ErrUnauthenticated) {
		throttle.Even(ctx, begun)
		err = errRefused() // whoever says so says it in other words
	}
	return u, err
}

// enabled refuses an account that is disabled or has come to its end. Only who knows
// its password is told so.
func (l *Login) enabled(u metadata.User) (metadata.User, error) {
	switch {
	case u.Disabled:
		return metadata.User{}, errdefs.Errorf(errdefs.ErrUnauthenticated,
			"user %q is disabled; ask an administrator of the registry", u.Name)
	case u.Expired(l.now()):
		return metadata.User{}, errdefs.Errorf(errdefs.ErrUnauthenticated,
			"%q has expired on %s; ask an administrator for a new secret", u.Name,
			u.ExpiresAt.UTC().Format(time.RFC3339))
	}
	return u, nil
}

// turn waits until a password may be tried for an account from an address: one
// at a time, so that guesses that come together are counted like others, and
// so that no account and no address takes the hasher from the rest. Who comes to
// a throttled account while another pauses there is refused; where the account is
// known a few wait, or whoever guesses without a break would keep its owner out.
func (l *Login) turn(ctx context.Context, a *throttle.Attempt) (done func(), err error) {
	known, wait := l.throttle.Delay(a)
	most := maxWaiting
	if wait > 0 && known {
		most = maxPausing
	} else if wait > 0 {
		most = 1
	}
	unlock, err := l.turns.LockAmong(ctx, a.Pair(), most)
	if err != nil {
		return nil, tooMany(err, wait)
	}
	known, now := l.throttle.Delay(a) // after those who had the turn before
	if now > throttle.MaxPause || now > 0 && wait == 0 {
		unlock()
		return nil, tooMany(limit.ErrBusy, now)
	}
	if err := l.pause(ctx, now); err != nil {
		unlock()
		return nil, err
	}
	if known { // not behind the strangers who share its address
		return unlock, nil
	}
	next, err := l.turns.Lock(ctx, a.Origin())
	if err != nil {
		unlock()
		return nil, tooMany(err, 0)
	}
	return func() { next(); unlock() }, nil
}

// tooMany is the answer to who may not wait for a turn.
func tooMany(err error, wait time.Duration) error {
	if !errors.Is(err, limit.ErrBusy) {
		return err
	}
	e := errcode.New(http.StatusTooManyRequests, errcode.TooManyRequests, "too many wrong passwords; wait a while")
	e.RetryAfter = max(wait, throttle.FirstDelay)
	return e
}

// user is an account as the database had it a moment ago.
func (l *Login) user(ctx context.Context, name string) (metadata.User, error) {
	return l.users.Get(name, func() (metadata.User, error) { return l.Accounts(ctx, name) },
		func(metadata.User) bool { return true })
}

// mark identifies a password that was right for the account as it is now: a
// changed password or epoch gives another mark.
func (l *Login) mark(u metadata.User, password string) (m [sha256.Size]byte) {
	h := hmac.New(sha256.New, l.key)
	for _, part := range []string{u.Name, u.PasswordHash, password} {
		sum := sha256.Sum256([]byte(part))
		_, _ = h.Write(sum[:]) // a hash never fails
	}
	return [sha256.Size]byte(h.Sum(nil))
}
