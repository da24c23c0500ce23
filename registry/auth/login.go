package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"net/http"
	"sync"
	"time"

	"cove/distribution/errcode"
	"cove/errdefs"
	"cove/internal/limit"
	"cove/registry/metadata"
)

const (
	// verifiedFor is how long a password that was right is not hashed again:
	// clients without tokens send it with every request.
	verifiedFor = time.Minute
	// maxVerified bounds what is remembered of right passwords.
	maxVerified = 4096
)

// Login checks names and passwords.
type Login struct {
	db       *metadata.DB
	hasher   *Hasher
	throttle throttle
	turns    limit.Keyed // by account and address, and by address
	now      func() time.Time
	pause    func(context.Context, time.Duration) error

	users    recent[string, metadata.User]
	key      []byte // of the HMAC; it lives as long as the process
	mu       sync.Mutex
	verified map[[sha256.Size]byte]time.Time
}

// NewLogin returns a Login over the accounts of db.
func NewLogin(db *metadata.DB, hasher *Hasher, now func() time.Time) *Login {
	l := &Login{
		db: db, hasher: hasher, now: now, pause: pause, key: make([]byte, 32),
		verified: map[[sha256.Size]byte]time.Time{},
		throttle: newThrottle(now),
		users:    recent[string, metadata.User]{now: now},
	}
	_, _ = rand.Read(l.key) // never fails (crypto/rand)
	return l
}

// errRefused is the one answer to a wrong name and to a wrong password.
func errRefused() error {
	return errdefs.Errorf(errdefs.ErrUnauthenticated, "wrong user name or password")
}

// Check returns the account with this name and password. A wrong pair is
// errdefs.ErrUnauthenticated, the same and after the same time whether the
// name exists or not; guessing at an account answers 429 for a while.
func (l *Login) Check(ctx context.Context, name, password, address string) (metadata.User, error) {
	u, err := l.user(ctx, name)
	if err != nil && !errors.Is(err, errdefs.ErrNotFound) {
		return metadata.User{}, err
	}
	mark := l.mark(u, password)
	if u.ID != 0 && l.remembered(mark) {
		return u, nil
	}
	done, err := l.turn(ctx, name, address)
	if err != nil {
		return metadata.User{}, err
	}
	defer done()
	if u.ID != 0 && l.remembered(mark) { // by who had the turn before
		return u, nil
	}
	right, err := l.hasher.Verify(ctx, u.PasswordHash, password) // also for nobody: it takes as long
	switch {
	case err != nil:
		return metadata.User{}, err
	case !right || u.ID == 0:
		l.throttle.failed(name, address)
		return metadata.User{}, errRefused()
	}
	l.throttle.succeeded(name, address)
	l.remember(mark)
	return u, nil
}

// turn waits until a password may be tried for an account from an address: one
// at a time, so that guesses that come together are counted like others, and
// so that no account and no address takes the hasher from the rest.
func (l *Login) turn(ctx context.Context, name, address string) (done func(), err error) {
	unlock, err := l.turns.Lock(ctx, pair(name, address))
	if err != nil {
		return nil, err
	}
	known, wait := l.throttle.delay(name, address)
	if wait > maxPause {
		unlock()
		e := errcode.New(http.StatusTooManyRequests, errcode.TooManyRequests, "too many wrong passwords; wait a while")
		e.RetryAfter = wait
		return nil, e
	}
	if err := l.pause(ctx, wait); err != nil {
		unlock()
		return nil, err
	}
	if known { // not behind the strangers who share its address
		return unlock, nil
	}
	next, err := l.turns.Lock(ctx, address)
	if err != nil {
		unlock()
		return nil, err
	}
	return func() { next(); unlock() }, nil
}

func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// user is an account as the database had it a moment ago.
func (l *Login) user(ctx context.Context, name string) (metadata.User, error) {
	return l.users.get(name, func() (metadata.User, error) { return l.db.UserByName(ctx, name) },
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

func (l *Login) remembered(mark [sha256.Size]byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now().Before(l.verified[mark])
}

func (l *Login) remember(mark [sha256.Size]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.verified) >= maxVerified {
		clear(l.verified)
	}
	l.verified[mark] = l.now().Add(verifiedFor)
}
