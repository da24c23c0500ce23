// Package passhash keeps passwords as hashes that are slow to guess (argon2id).
package passhash

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"runtime/debug"
	"strings"
	"sync/atomic"

	"golang.org/x/crypto/argon2"

	"cove/errdefs"
)

// The cost of one hash: argon2id with 7 MiB and five passes, one of OWASP's
// equivalent settings, chosen for its small memory: it comes on top of whatever else the
// registry does when somebody signs in.
const (
	argonTime    = 5
	argonMemory  = 7 << 10 // KiB
	argonThreads = 1
	argonKey     = 32
	argonSalt    = 16

	// MaxPassword bounds what is hashed for a stranger.
	MaxPassword = 1024
	minPassword = 8
)

// Hasher hashes passwords, a bounded number at once: each costs memory, and
// strangers can ask for them.
type Hasher struct {
	slots   chan struct{}
	waiting atomic.Int64
	made    atomic.Int64
}

// Made is how many hashes it has computed: what a wrong password costs must not depend on
// whose it is.
func (h *Hasher) Made() int64 { return h.made.Load() }

// maxHashes bounds who waits for a slot: the last of so many waits for seconds.
const maxHashes = 256

// NewHasher returns a Hasher that runs at most n hashes at once.
func NewHasher(n int) *Hasher { return &Hasher{slots: make(chan struct{}, n)} }

// Hash makes the stored form of a password: the PHC string format.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	switch {
	case len(password) < minPassword:
		return "", errdefs.Errorf(errdefs.ErrInvalid, "password: at least %d characters are needed", minPassword)
	case len(password) > MaxPassword:
		return "", errdefs.Errorf(errdefs.ErrInvalid, "password: at most %d characters are taken", MaxPassword)
	}
	p := standardPHC()
	_, _ = rand.Read(p.salt) // never fails (crypto/rand)
	key, err := h.derive(ctx, password, p)
	if err != nil {
		return "", err
	}
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, argonMemory, argonTime, argonThreads, b64(p.salt), b64(key)), nil
}

// Verify says whether password made the stored form. A stored form that cannot
// be read costs the same time and matches nothing.
func (h *Hasher) Verify(ctx context.Context, stored, password string) (bool, error) {
	if len(password) > MaxPassword {
		password = password[:MaxPassword]
	}
	p, ok := parsePHC(stored)
	if !ok {
		p = standardPHC()
	}
	key, err := h.derive(ctx, password, p)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(key, p.key) == 1 && ok, nil
}

// derive computes the key for a password with the salt and costs of p.
func (h *Hasher) derive(ctx context.Context, password string, p phc) ([]byte, error) {
	defer h.waiting.Add(-1)
	if h.waiting.Add(1) > maxHashes {
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "too many sign in at once; try again")
	}
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-h.slots }()
	// The memory of one hash is several times the rest of the heap, which would
	// grow to fit it and stay so: give it back, and before that what is garbage and
	// would lie beside it. Next to a hash that costs little.
	h.made.Add(1)
	debug.FreeOSMemory()
	defer debug.FreeOSMemory()
	return argon2.IDKey([]byte(password), p.salt, p.time, p.memory, p.threads, argonKey), nil
}

type phc struct {
	time, memory uint32
	threads      uint8
	salt, key    []byte
}

// standardPHC has today's costs, and room for salt and key.
func standardPHC() phc {
	return phc{
		time: argonTime, memory: argonMemory, threads: argonThreads,
		salt: make([]byte, argonSalt), key: make([]byte, argonKey),
	}
}

func parsePHC(s string) (p phc, ok bool) {
	f := strings.Split(s, "$")
	if len(f) != 6 || f[1] != "argon2id" || f[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, false
	}
	if _, err := fmt.Sscanf(f[3], "m=%d,t=%d,p=%d", &p.memory, &p.time, &p.threads); err != nil {
		return p, false
	}
	// A row of the database must not make the process allocate without bound.
	if p.memory > 1<<20 || p.time > 64 || p.time == 0 || p.threads == 0 {
		return p, false
	}
	var errSalt, errKey error
	p.salt, errSalt = base64.RawStdEncoding.DecodeString(f[4])
	p.key, errKey = base64.RawStdEncoding.DecodeString(f[5])
	return p, errSalt == nil && errKey == nil && len(p.key) == argonKey
}
