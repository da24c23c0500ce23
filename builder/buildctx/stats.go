package buildctx

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"sync"

	"github.com/opencontainers/go-digest"

	"cove/errdefs"
	"cove/internal/atomicfile"
)

// Stats remembers the digests of files between builds. It is one file of fixed
// records, sorted, so that loading it is one read and no parsing. A file that
// is damaged, or of another version, is as good as none. Several processes may
// save to one name: the last one wins, and every one of them is right.
//
// A nil *Stats remembers nothing. It is safe for concurrent use.
type Stats struct {
	path string
	old  []byte // the records of the file

	mu    sync.Mutex
	fresh map[statKey]statValue
	used  []bool // which of old this build looked up
	at    int    // of the record that was found last: those of one directory are near each other
}

type statKey struct {
	dev, ino, size uint64
	mtime, ctime   int64
}

type statValue [32]byte

const (
	statMagic  = "covestat1\n"
	recordSize = 5*8 + 32
	maxRecords = 4 << 20
)

// OpenStats loads the cache of one context. path need not exist.
func OpenStats(path string) (*Stats, error) {
	s := &Stats{path: path, fresh: map[statKey]statValue{}}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, FileError(path, err)
	}
	n := len(data) - len(statMagic) - 4
	if n < 0 || n%recordSize != 0 || !bytes.HasPrefix(data, []byte(statMagic)) {
		return s, nil
	}
	body := data[len(statMagic) : len(statMagic)+n]
	if binary.LittleEndian.Uint32(data[len(data)-4:]) == crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)) {
		s.old, s.used = body, make([]bool, n/recordSize)
	}
	return s, nil
}

func keyOf(e *Entry) statKey {
	return statKey{dev: e.Dev, ino: e.Ino, size: uint64(e.Size), mtime: e.mtime, ctime: e.ctime}
}

func (k statKey) encode(b []byte) {
	for i, v := range [5]uint64{k.dev, k.ino, k.size, uint64(k.mtime), uint64(k.ctime)} {
		binary.BigEndian.PutUint64(b[i*8:], v) // big endian sorts as bytes
	}
}

func (s *Stats) get(e *Entry) (digest.Digest, bool) {
	if s == nil {
		return "", false
	}
	k := keyOf(e)
	var want [40]byte
	k.encode(want[:])
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.find(want[:]); i >= 0 {
		s.used[i], s.at = true, i
		return digestFrom(s.old[i*recordSize+40:][:32]), true
	}
	v, ok := s.fresh[k]
	return digestFrom(v[:]), ok
}

// near is how far from the last record the next is looked for first.
const near = 128

// find returns the index of a record, or -1.
func (s *Stats) find(want []byte) int {
	low, high := 0, len(s.used)
	if from := s.at - near; from > 0 && bytes.Compare(s.record(from), want) <= 0 {
		low = from
	}
	if to := s.at + near; to < high && bytes.Compare(s.record(to), want) > 0 {
		high = to
	}
	i := low + sort.Search(high-low, func(i int) bool { return bytes.Compare(s.record(low+i), want) >= 0 })
	if i < len(s.used) && bytes.Equal(s.record(i), want) {
		return i
	}
	return -1
}

// record is the key of a record.
func (s *Stats) record(i int) []byte { return s.old[i*recordSize:][:40] }

// digestFrom writes a digest in one piece of memory.
func digestFrom(b []byte) digest.Digest {
	const algorithm = string(digest.SHA256) + ":"
	var text [len(algorithm) + 64]byte
	hex.Encode(text[copy(text[:], algorithm):], b)
	return digest.Digest(text[:])
}

func (s *Stats) put(e *Entry) {
	if s == nil {
		return
	}
	var v statValue
	if _, err := hex.Decode(v[:], []byte(e.Digest.Encoded())); err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fresh[keyOf(e)] = v
}

// Save writes the cache when something was added: what is new and, as long as
// it is not the larger part, what this build had no use for.
func (s *Stats) Save() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.fresh) == 0 {
		return nil
	}
	n, used := len(s.used), 0
	for _, was := range s.used {
		if was {
			used++
		}
	}
	keepAll := n-used <= used+len(s.fresh)
	records := make([][]byte, 0, n+len(s.fresh))
	for i := range n {
		if keepAll || s.used[i] {
			records = append(records, s.old[i*recordSize:][:recordSize])
		}
	}
	for _, k := range slices.Collect(maps.Keys(s.fresh)) {
		b := make([]byte, recordSize)
		k.encode(b)
		v := s.fresh[k]
		copy(b[40:], v[:])
		records = append(records, b)
	}
	slices.SortFunc(records, bytes.Compare)
	records = slices.CompactFunc(records, func(a, b []byte) bool { return bytes.Equal(a[:40], b[:40]) })
	return writeStats(s.path, records[:min(len(records), maxRecords)])
}

// writeStats replaces the file. It is a cache and checks itself when it is
// read, so nothing waits for the disk.
func writeStats(path string, records [][]byte) error {
	body := slices.Concat(records...)
	out := slices.Concat([]byte(statMagic), body,
		binary.LittleEndian.AppendUint32(nil, crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli))))
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return FileError(dir, err)
	}
	if err := atomicfile.WriteFile(path, out, 0o600, atomicfile.Volatile); err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "build: stat cache: %w", err)
	}
	return nil
}
