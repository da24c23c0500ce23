package server

import (
	"hash"
	"io"
	"io/fs"
	"sync"
	"syscall"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/singleflight"

	"cove/content"
	"cove/errdefs"
)

// maxVerified bounds the memory of verified: about 10 MB.
const maxVerified = 1 << 16

// verified remembers which stored blobs were seen to match their digest, and
// in which state of their file. It is a memory of work done, not of truth: to
// forget costs one hash.
type verified struct {
	every time.Duration
	now   func() time.Time

	mu   sync.RWMutex
	seen map[digest.Digest]sighting

	checks singleflight.Group // one hash of a blob serves all who wait for it
}

// sighting is what a file looked like when its bytes were right. Whoever
// writes to a file changes its ctime and cannot set it back.
type sighting struct {
	file  fileState
	at    time.Time
	since time.Time // for bytes just pushed: when the request began
	fresh bool      // pushed in this process, file not seen yet
}

type fileState struct {
	ino   uint64
	size  int64
	ctime int64
}

func newVerified(every time.Duration, now func() time.Time) *verified {
	return &verified{every: every, now: now, seen: make(map[digest.Digest]sighting)}
}

// trusts says whether rd may go out unhashed.
func (v *verified) trusts(dgst digest.Digest, rd content.Reader) bool {
	v.mu.RLock()
	s, ok := v.seen[dgst]
	v.mu.RUnlock()
	if !ok || v.now().Sub(s.at) > v.every {
		return false
	}
	state := stateOf(rd)
	if !s.fresh {
		return s.file == state
	}
	// The store hashed these bytes as they came, and renamed the file between
	// the request's begin and its end: a ctime outside is another file's, as
	// that of a copy the store had before. The slack is the kernel's tick.
	const tick = 10 * time.Millisecond
	if state.ctime < s.since.Add(-tick).UnixNano() || state.ctime > s.at.UnixNano() {
		return false
	}
	v.put(dgst, sighting{file: state, at: s.at})
	return true
}

// remember records that the bytes of rd were right just now.
func (v *verified) remember(dgst digest.Digest, rd content.Reader) {
	v.put(dgst, sighting{file: stateOf(rd), at: v.now()})
}

// pushed records that a request that began at since has just committed dgst.
func (v *verified) pushed(dgst digest.Digest, since time.Time) {
	v.put(dgst, sighting{fresh: true, since: since, at: v.now()})
}

func (v *verified) put(dgst digest.Digest, s sighting) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.seen) >= maxVerified {
		for d := range v.seen { // any: the map's order is random
			delete(v.seen, d)
			break
		}
	}
	v.seen[dgst] = s
}

// check hashes all of rd, for an answer that sends only a part.
func (v *verified) check(dgst digest.Digest, rd content.Reader) error {
	_, err, _ := v.checks.Do(string(dgst), func() (any, error) {
		h := newHeld(dgst, rd)
		if _, err := io.Copy(io.Discard, h); err != nil {
			return nil, err
		}
		v.remember(dgst, rd)
		return nil, nil
	})
	return err
}

// stateOf is zero for what is no file: there only the time limits the trust.
func stateOf(rd content.Reader) fileState {
	f, ok := rd.(content.FileReader)
	if !ok {
		return fileState{size: rd.Size()}
	}
	info, err := f.File().Stat()
	if err != nil {
		return fileState{size: -1}
	}
	return stateOfInfo(info)
}

func stateOfInfo(info fs.FileInfo) fileState {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fileState{size: info.Size(), ctime: info.ModTime().UnixNano()}
	}
	return fileState{ino: st.Ino, size: st.Size, ctime: st.Ctim.Nano()}
}

// held reads a blob from its start to its end and gives the last bytes out
// only when all of them hash to the digest.
type held struct {
	*io.SectionReader
	dgst         digest.Digest
	hash         hash.Hash
	left         int64
	right, wrong bool
}

func newHeld(dgst digest.Digest, rd content.Reader) *held {
	return &held{
		SectionReader: io.NewSectionReader(rd, 0, rd.Size()),
		dgst:          dgst,
		hash:          dgst.Algorithm().Hash(),
		left:          rd.Size(),
	}
}

func (h *held) Read(p []byte) (int, error) {
	if h.wrong {
		return 0, h.corrupt()
	}
	n, err := h.SectionReader.Read(p)
	h.hash.Write(p[:n])
	h.left -= int64(n)
	// A file cut short ends before left is 0.
	if (h.left <= 0 || err != nil) && !h.right {
		if h.left != 0 || digest.NewDigest(h.dgst.Algorithm(), h.hash) != h.dgst {
			h.wrong = true
			return 0, h.corrupt()
		}
		h.right = true
	}
	return n, err
}

func (h *held) corrupt() error {
	return errdefs.Errorf(errdefs.ErrCorrupt, "stored blob %s: its bytes do not match the digest", h.dgst)
}
