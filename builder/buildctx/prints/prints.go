// Package prints remembers the digests of files by a sum of their bytes that costs a
// seventh of SHA-256: a fresh copy of a context, as each job of a CI makes one, has files
// that no stat cache knows, with bytes that were hashed before.
//
// The sum is GMAC (NIST SP 800-38D) with a key that stays with the cache, in a file that
// its owner alone reads. Who does not know the key cannot make two files of one sum: for
// any two, one key in 2^110 or fewer has it, and the digest that keys and registries see
// is SHA-256 still.
package prints

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"sync"

	"cove/errdefs"
	"cove/internal/atomicfile"
)

// Print is the sum of a file.
type Print [24]byte

// Digest is the SHA-256 of a file.
type Digest [sha256.Size]byte

// Prints are those of one state directory. They are one file of fixed records, sorted by
// size and print, which is read when the first file asks. A file that is damaged, or of
// another version, is as good as none. Several processes may save to one name: the last
// one wins, and each of them is right.
//
// A nil *Prints remembers nothing. It is safe for concurrent use.
type Prints struct {
	path string
	load func()

	key [16]byte
	old []byte // the records of the file

	mu    sync.Mutex
	fresh map[record]Digest
	used  map[record]Digest
}

// record is what a digest is found by.
type record [8 + len(Print{})]byte

const (
	magic      = "coveprints1\n"
	recordSize = len(record{}) + len(Digest{})
	// most bounds the file, to 8 MiB: records that nobody used lately make room.
	most = 128 << 10
)

var castagnoli = sync.OnceValue(func() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) })

// Open knows the prints in a file, which need not exist. It is read when it is needed.
func Open(path string) *Prints {
	p := &Prints{path: path, fresh: map[record]Digest{}, used: map[record]Digest{}}
	p.load = sync.OnceFunc(func() {
		data, err := os.ReadFile(path)
		n := len(data) - len(magic) - len(p.key) - 4
		if err == nil && n >= 0 && n%recordSize == 0 && bytes.HasPrefix(data, []byte(magic)) &&
			binary.LittleEndian.Uint32(data[len(data)-4:]) == crc32.Checksum(data[:len(data)-4], castagnoli()) {
			copy(p.key[:], data[len(magic):])
			p.old = data[len(magic)+len(p.key) : len(data)-4]
			return
		}
		_, _ = rand.Read(p.key[:]) // it does not fail, by its documentation
	})
	return p
}

func recordOf(size int64, shown Print) (r record) {
	binary.BigEndian.PutUint64(r[:], uint64(size)) // big endian sorts as bytes
	copy(r[8:], shown[:])
	return r
}

// find is the first record that is not less.
func (p *Prints) find(r []byte) int {
	return sort.Search(len(p.old)/recordSize, func(i int) bool {
		return bytes.Compare(p.old[i*recordSize:][:len(r)], r) >= 0
	})
}

// has says whether there is a file of that size: whether to read one for its print.
func (p *Prints) has(size int64) bool {
	var want [8]byte
	binary.BigEndian.PutUint64(want[:], uint64(size))
	i := p.find(want[:])
	return i*recordSize < len(p.old) && bytes.HasPrefix(p.old[i*recordSize:], want[:])
}

// get returns the digest of a file with that size and print.
func (p *Prints) get(size int64, shown Print) (d Digest, ok bool) {
	want := recordOf(size, shown)
	i := p.find(want[:])
	if i*recordSize >= len(p.old) || !bytes.HasPrefix(p.old[i*recordSize:], want[:]) {
		return d, false
	}
	copy(d[:], p.old[i*recordSize+len(want):])
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used[want] = d
	return d, true
}

// put remembers the digest of a file.
func (p *Prints) put(size int64, shown Print, d Digest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fresh[recordOf(size, shown)] = d
}

// Save writes the prints when some were added: these, those that this build used, and as
// many of the others as there is room for.
func (p *Prints) Save() error {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.fresh) == 0 {
		return nil
	}
	all := maps.Clone(p.used)
	maps.Copy(all, p.fresh)
	for i := 0; i < len(p.old) && len(all) < most; i += recordSize {
		var r record
		var d Digest
		copy(d[:], p.old[i+copy(r[:], p.old[i:]):])
		all[r] = d
	}
	keys := slices.SortedFunc(maps.Keys(all), func(a, b record) int { return bytes.Compare(a[:], b[:]) })
	out := append([]byte(magic), p.key[:]...)
	for _, r := range keys[:min(len(keys), most)] {
		d := all[r]
		out = append(append(out, r[:]...), d[:]...)
	}
	out = binary.LittleEndian.AppendUint32(out, crc32.Checksum(out, castagnoli()))
	return write(p.path, out)
}

// write replaces the file. It is a cache and checks itself when it is read, so nothing
// waits for the disk.
func write(path string, out []byte) error {
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = atomicfile.WriteFile(path, out, 0o600, atomicfile.Volatile)
	}
	if err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "build: prints of files: %w", err)
	}
	return nil
}
