// Package seal keeps secrets that a registry must be able to use, as passwords at
// other registries, so that its database alone, or a copy of it, tells none.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"

	"cove/errdefs"
	"cove/internal/atomicfile"
)

// KeyFile is in the folder keys of a registry's root.
const KeyFile = "secrets.key"

const keyBytes = 32

// Box seals and opens. It is safe for concurrent use.
type Box struct{ open func() (cipher.AEAD, error) }

// In is the box of a registry's root, which must stay open. Its key is read, or made
// where none is, with the first use.
func In(root *os.Root) *Box {
	return &Box{sync.OnceValues(func() (cipher.AEAD, error) {
		aead, err := open(root)
		if err != nil {
			return nil, fmt.Errorf("key of the registry's secrets: %w", err)
		}
		return aead, nil
	})}
}

func open(root *os.Root) (_ cipher.AEAD, err error) {
	keys, err := root.OpenRoot("keys")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, keys.Close()) }()
	key, err := readKey(keys)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeKey(keys); err == nil {
			key, err = readKey(keys) // also one that another process made at the same time
		}
	}
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func readKey(keys *os.Root) ([]byte, error) {
	text, err := keys.ReadFile(KeyFile)
	if err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != keyBytes {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "%s does not hold %d bytes in base64", KeyFile, keyBytes)
	}
	return key, nil
}

// makeKey writes a key beside the others and gives it its name, unless another
// process was first.
func makeKey(keys *os.Root) error {
	key := make([]byte, keyBytes)
	_, _ = rand.Read(key) // it never fails
	temp := KeyFile + "." + rand.Text()[:8]
	err := atomicfile.Write(keys, temp, []byte(base64.StdEncoding.EncodeToString(key)+"\n"), 0o600, atomicfile.Synced)
	if err != nil {
		return err
	}
	err = keys.Link(temp, KeyFile)
	if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	return errors.Join(err, keys.Remove(temp), atomicfile.SyncDir(keys, "."))
}

// Seal encrypts a secret for what it is of: it opens for nothing else. An empty
// one stays so.
func (b *Box) Seal(secret, of string) (string, error) {
	if secret == "" {
		return "", nil
	}
	aead, err := b.open()
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(aead.Seal(nil, nil, []byte(secret), []byte(of))), nil
}

// Open is the reverse of Seal. A text of another key is errdefs.ErrInvalid.
func (b *Box) Open(sealed, of string) (string, error) {
	if sealed == "" {
		return "", nil
	}
	aead, err := b.open()
	if err != nil {
		return "", err
	}
	text, err := base64.StdEncoding.DecodeString(sealed)
	if err == nil {
		text, err = aead.Open(nil, nil, text, []byte(of))
	}
	if err != nil {
		return "", errdefs.Errorf(errdefs.ErrInvalid, "the secret of %s was sealed with another key: copy keys/%s of "+
			"the server that it was given to, or give it again", of, KeyFile)
	}
	return string(text), nil
}
