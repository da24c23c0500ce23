package seccomp

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"cove/internal/atomicfile"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// compilerVersion is part of every key: change it when Compile changes what
// it writes.
const compilerVersion = 2

// Cache keeps compiled filters in a directory, by the digest of their profile.
// An empty Dir caches nothing. It is safe for concurrent use by many processes.
type Cache struct{ Dir string }

// Compile returns the filter of profile for the running architecture, compiled
// now or once before. A cache that cannot be read or written only costs time.
func (c Cache) Compile(profile *specs.LinuxSeccomp) ([]unix.SockFilter, error) {
	if c.Dir == "" {
		return Compile(profile, runtime.GOARCH)
	}
	file := filepath.Join(c.Dir, key(profile))
	if b, err := os.ReadFile(file); err == nil {
		if filter, ok := decode(b); ok {
			return filter, nil
		}
	}
	filter, err := Compile(profile, runtime.GOARCH)
	if err == nil {
		// The next start tries again.
		_ = c.store(file, encode(filter))
	}
	return filter, err
}

// store writes a file whole or not at all. A lost file is compiled again, so
// it is not synced.
func (c Cache) store(file string, b []byte) error {
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return err
	}
	return atomicfile.WriteFile(file, b, 0o600, atomicfile.Volatile)
}

// key is the digest of everything that the filter depends on. It writes the
// profile down by hand: marshalling it as JSON would take longer than all else
// here.
func key(p *specs.LinuxSeccomp) string {
	b := make([]byte, 0, 16384)
	b = fmt.Appendf(b, "cove seccomp %d %s\n%s %s\n", compilerVersion, runtime.GOARCH, p.DefaultAction,
		errnoText(p.DefaultErrnoRet))
	for _, a := range p.Architectures {
		b = append(append(b, a...), ' ')
	}
	for _, s := range p.Syscalls {
		b = append(append(append(append(b, '\n'), s.Action...), ' '), errnoText(s.ErrnoRet)...)
		for _, name := range s.Names {
			b = append(append(b, ' '), name...)
		}
		for _, a := range s.Args {
			b = fmt.Appendf(b, "\t%d %d %d %s", a.Index, a.Value, a.ValueTwo, a.Op)
		}
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]) + ".bpf"
}

func errnoText(n *uint) string {
	if n == nil {
		return "-"
	}
	return fmt.Sprint(*n)
}

// encode puts the digest of the instructions before them: a damaged filter
// must not be loaded.
func encode(filter []unix.SockFilter) []byte {
	var body []byte
	for _, f := range filter {
		body = binary.NativeEndian.AppendUint16(body, f.Code)
		body = append(body, f.Jt, f.Jf)
		body = binary.NativeEndian.AppendUint32(body, f.K)
	}
	sum := sha256.Sum256(body)
	return append(sum[:], body...)
}

func decode(b []byte) ([]unix.SockFilter, bool) {
	if len(b) <= sha256.Size || (len(b)-sha256.Size)%8 != 0 {
		return nil, false
	}
	body := b[sha256.Size:]
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], b[:sha256.Size]) {
		return nil, false
	}
	filter := make([]unix.SockFilter, len(body)/8)
	for i := range filter {
		e := body[8*i:]
		filter[i] = unix.SockFilter{
			Code: binary.NativeEndian.Uint16(e), Jt: e[2], Jf: e[3],
			K: binary.NativeEndian.Uint32(e[4:]),
		}
	}
	return filter, true
}
