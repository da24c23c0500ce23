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
	"cove/registry/metadata"
)

const (
	// verifiedFor is how long a password that was right is not hashed again:
	// clients without tokens send it with every request.
	verifiedFor = time.Minute
	// maxVerified and maxGuessers bound what strangers can make us remember.
	maxVerified = 4096
	maxGuessers = 16384
)

// Login checks names and passwords.
type Login struct {
	db       *metadata.DB
	hasher   *Hasher
	throttle throttle
	now      func() time.Time

	users    recent[string, metadata.User]
	key      []byte // of the HMAC; it lives as long as the process
	mu       sync.Mutex
	verified map[[sha256.Size]byte]time.Time
}

// NewLogin returns a Login over the accounts of db.
func NewLogin(db *metadata.DB, hasher *Hasher, now func() time.Time) *Login {
	l := &Login{
		db: db, hasher: hasher, now: now, key: make([]byte, 32),
		verified: map[[sha256.Size]byte]time.Time{},
		throttle: throttle{now: now, tries: map[string]*tries{}},
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
// name exists or not; too many of them from one address answer 429 for a while.
func (l *Login) Check(ctx context.Context, name, password, address string) (metadata.User, error) {
	u, err := l.user(ctx, name)
	if err != nil && !errors.Is(err, errdefs.ErrNotFound) {
		return metadata.User{}, err
	}
	mark := l.mark(u, password)
	if u.ID != 0 && l.remembered(mark) {
		return u, nil
	}
	if wait := l.throttle.blocked(name, address); wait > 0 {
		e := errcode.New(http.StatusTooManyRequests, errcode.TooManyRequests, "too many wrong passwords; wait a while")
		e.RetryAfter = wait
		return metadata.User{}, e
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

// throttle counts wrong passwords by who was guessed at and from where.
type throttle struct {
	now   func() time.Time
	mu    sync.Mutex
	tries map[string]*tries
}

type tries struct {
	failed int
	until  time.Time // the end of the window, or of the block
}

// After so many failures within the window, an address waits it out. The
// pair is counted closely, the address as a whole loosely, because an office
// may share one.
const (
	throttleWindow = time.Minute
	triesByPair    = 10
	triesByAddress = 100
)

func pair(name, address string) string { return address + "\x00" + name }

func (t *throttle) blocked(name, address string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return max(t.waitFor(pair(name, address), triesByPair), t.waitFor(address, triesByAddress))
}

func (t *throttle) waitFor(key string, limit int) time.Duration {
	e := t.tries[key]
	if e == nil || e.failed < limit {
		return 0
	}
	return max(0, e.until.Sub(t.now()))
}

func (t *throttle) failed(name, address string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.tries) >= maxGuessers {
		t.sweep()
	}
	now := t.now()
	for _, key := range []string{pair(name, address), address} {
		e := t.tries[key]
		if e == nil || !now.Before(e.until) {
			e = &tries{}
			t.tries[key] = e
		}
		e.failed++
		e.until = now.Add(throttleWindow)
	}
}

func (t *throttle) succeeded(name, address string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.tries, pair(name, address))
}

// sweep forgets what is over, and everything when that is not enough.
func (t *throttle) sweep() {
	now := t.now()
	for key, e := range t.tries {
		if !now.Before(e.until) {
			delete(t.tries, key)
		}
	}
	if len(t.tries) >= maxGuessers {
		clear(t.tries)
	}
}
