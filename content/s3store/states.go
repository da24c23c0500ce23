package s3store

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"iter"
	"time"

	"cove/content/s3store/objects"
	"cove/errdefs"
)

// States keep, durably, how far the writes of a Store have come.
type States interface {
	// Claim takes a write for its caller alone, of all processes that share the
	// States, until Release. One that somebody has is errdefs.ErrUnavailable; one
	// whose process died is free. A key is at most 201 letters, digits, _ and -.
	Claim(ctx context.Context, key string) (Claim, error)
	// All visits what was saved and not dropped.
	All(ctx context.Context) iter.Seq2[Saved, error]
}

// Claim is a write that one caller has.
type Claim interface {
	// State is what was saved last; nil of a write that is new.
	State() []byte
	// Save replaces it. It is errdefs.ErrConflict, and nothing is saved, when the
	// claim was lost meanwhile and another caller has saved.
	Save(ctx context.Context, state []byte) error
	// Drop forgets it.
	Drop(ctx context.Context) error
	// Release ends the claim.
	Release()
}

// Saved is a state as States list it.
type Saved struct {
	Key   string
	State []byte
	At    time.Time // of the last Save
}

// state is how far a write has come, with all that another process needs to go on.
type state struct {
	// Dir is the write's own below writes/; its name is random, so that what was
	// left of another write of the same id is never in the way.
	Dir    string `json:"dir"`
	Offset int64  `json:"offset"`
	Hash   []byte `json:"hash"`             // sha256 of [0, Offset), encoding.BinaryMarshaler
	Upload string `json:"upload,omitempty"` // of the multipart upload, once there is one
	// Parts are the ETags of its parts. The service is told them at the end: so a part
	// that somebody else has replaced is found out.
	Parts []string `json:"parts,omitempty"`
	// Tails are objects whose bytes follow those of the parts, and are too few for
	// one more.
	Tails []tail `json:"tails,omitempty"`
	// Whole says that the object of the upload is there, with all bytes.
	Whole bool `json:"whole,omitempty"`
	// Blob is the key of the blob that the parts become by themselves, where its digest
	// was known before them; else they become an object of the write, which is copied.
	Blob string `json:"blob,omitempty"`
}

type tail struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
}

func (s state) data() string {
	if s.Blob != "" {
		return s.Blob
	}
	return writesDir + s.Dir + "/data"
}

func (s state) upload() objects.Upload  { return objects.Upload{Key: s.data(), ID: s.Upload} }
func (s state) tail(name string) string { return writesDir + s.Dir + "/" + name }

func (s state) tailed() (n int64) {
	for _, t := range s.Tails {
		n += t.Size
	}
	return n
}

// stateKey makes a harmless key of any id.
func stateKey(id string) string {
	if len(id) <= maxPlainID {
		return "i" + base64.RawURLEncoding.EncodeToString([]byte(id))
	}
	sum := sha256.Sum256([]byte(id))
	return "h" + hex.EncodeToString(sum[:])
}

// maxPlainID is up to which length an id is in its key.
const maxPlainID = 150

func decodeState(key string, b []byte) (st state, err error) {
	if b == nil {
		return st, nil
	}
	if err := json.Unmarshal(b, &st); err != nil {
		return st, errdefs.Errorf(errdefs.ErrCorrupt, "write %q: its state cannot be read: %w", key, err)
	}
	return st, nil
}
