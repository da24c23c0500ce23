// Package signing has the keys that sign the registry's tokens.
package signing

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"cove/internal/atomicfile"
	"cove/registry/metadata"
)

// longestToken is no shorter than the life of what the keys sign.
const longestToken = 10 * time.Minute

const (
	// SignsFor is how long a key signs.
	SignsFor = 30 * 24 * time.Hour // then a new one signs
	livesFor = 60 * 24 * time.Hour // and this one still verifies for a while
)

// Keys are the ed25519 keys that sign tokens: private halves as files of a
// folder, public halves in the database for every replica.
type Keys struct {
	dir *os.Root
	db  *metadata.DB
	now func() time.Time

	mu     sync.RWMutex
	public map[string]ed25519.PublicKey
	newest Key
}

// Key is the private half of one.
type Key struct {
	ID      string
	Private ed25519.PrivateKey
	born    time.Time
}

// Open reads the folder and makes the first key when there is none.
func Open(ctx context.Context, dir *os.Root, db *metadata.DB, now func() time.Time) (*Keys, error) {
	k := &Keys{dir: dir, db: db, now: now, public: map[string]ed25519.PublicKey{}}
	names, err := fs.Glob(dir.FS(), "*.pem")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		key, err := k.readKey(name)
		if err != nil {
			return nil, fmt.Errorf("token key %s: %w", name, err)
		}
		if key.born.After(k.newest.born) {
			k.newest = key
		}
	}
	if err := k.loadPublic(ctx); err != nil {
		return nil, err
	}
	_, err = k.Signer(ctx)
	return k, err
}

// Signer is the key that signs now; it makes a new one when that is old, or
// when the database (a restored one, say) does not know it.
func (k *Keys) Signer(ctx context.Context) (Key, error) {
	k.mu.RLock()
	key := k.newest
	_, known := k.public[key.ID]
	k.mu.RUnlock()
	if known && k.now().Sub(key.born) < SignsFor {
		return key, nil
	}
	next, err := k.rotate(ctx)
	if err != nil && known && k.now().Sub(key.born) < livesFor-longestToken {
		return key, nil // on a full disk, say: nobody must be locked out by it
	}
	return next, err
}

func (k *Keys) rotate(ctx context.Context) (Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, known := k.public[k.newest.ID]; known && k.now().Sub(k.newest.born) < SignsFor {
		return k.newest, nil // another request was first
	}
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return Key{}, fmt.Errorf("making a token key: %w", err)
	}
	key := Key{ID: KeyID(pub), Private: priv, born: k.now()}
	if err := k.writeKey(key); err != nil {
		return Key{}, fmt.Errorf("keeping a token key: %w", err)
	}
	text, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return Key{}, err
	}
	err = k.db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		return tx.AddTokenKey(ctx, metadata.TokenKey{
			ID: key.ID, ExpiresAt: key.born.Add(livesFor),
			PublicKey: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: text})),
		})
	})
	if err != nil {
		return Key{}, err
	}
	k.public[key.ID], k.newest = pub, key
	return key, nil
}

// Verifier is the public key with this id; one that another replica made is
// looked up in the database.
func (k *Keys) Verifier(ctx context.Context, id string) (ed25519.PublicKey, error) {
	k.mu.RLock()
	pub := k.public[id]
	k.mu.RUnlock()
	if pub != nil || len(id) != idLength {
		return pub, nil
	}
	if err := k.loadPublic(ctx); err != nil {
		return nil, err
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.public[id], nil
}

func (k *Keys) loadPublic(ctx context.Context) error {
	rows, err := k.db.TokenKeys(ctx, k.now())
	if err != nil {
		return err
	}
	public := map[string]ed25519.PublicKey{}
	for _, row := range rows {
		block, _ := pem.Decode([]byte(row.PublicKey))
		if block == nil {
			continue // not ours to repair; it verifies nothing
		}
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if pub, ok := key.(ed25519.PublicKey); err == nil && ok && KeyID(pub) == row.ID {
			public[row.ID] = pub
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.public = public
	return nil
}

const idLength = 43

// KeyID is the key's RFC 7638 thumbprint.
func KeyID(pub ed25519.PublicKey) string {
	sum, err := (&jose.JSONWebKey{Key: pub}).Thumbprint(crypto.SHA256)
	if err != nil {
		return "" // an ed25519 key of the right length always has one
	}
	return base64.RawURLEncoding.EncodeToString(sum)
}

func (k *Keys) readKey(name string) (Key, error) {
	text, err := k.dir.ReadFile(name)
	if err != nil {
		return Key{}, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return Key{}, errors.New("is no PEM file; remove it to have a new key made")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return Key{}, err
	}
	priv, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return Key{}, errors.New("is no ed25519 key; remove it to have a new key made")
	}
	born, err := time.Parse(time.RFC3339, block.Headers["Born"])
	if err != nil {
		return Key{}, err
	}
	return Key{ID: strings.TrimSuffix(path.Base(name), ".pem"), Private: priv, born: born}, nil
}

func (k *Keys) writeKey(key Key) error {
	der, err := x509.MarshalPKCS8PrivateKey(key.Private)
	if err != nil {
		return err
	}
	text := pem.EncodeToMemory(&pem.Block{
		Type: "PRIVATE KEY", Bytes: der,
		Headers: map[string]string{"Born": key.born.UTC().Format(time.RFC3339)},
	})
	return atomicfile.Write(k.dir, key.ID+".pem", text, 0o600, atomicfile.Durable)
}
