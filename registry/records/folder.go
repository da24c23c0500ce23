package records

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"cove/internal/atomicfile"
	"cove/internal/limit"
)

// Options tune a folder; the zero value is right for use.
type Options struct {
	// Fault, when set, is asked before every step that changes the disk. An
	// error it returns becomes the failure of that step.
	Fault func(Step) error
}

// Step names a system call of a record.
type Step string

// The steps, in the order of a record's life.
const (
	StepMkdir   Step = "mkdir"   // the folder of a repository or a tag
	StepCreate  Step = "create"  // a file, which a rename follows if it is not empty
	StepRename  Step = "rename"  // the record appears
	StepSyncDir Step = "syncdir" // its name is durable, or that it is gone
	StepRemove  Step = "remove"  // it goes
)

// folder is a root whose steps may be made to fail.
type folder struct {
	*os.Root
	opts Options
}

func (f folder) fault(step Step) error {
	if f.opts.Fault == nil {
		return nil
	}
	return f.opts.Fault(step)
}

func (f folder) OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	step := StepCreate
	if flag == os.O_RDONLY {
		step = StepSyncDir // nothing else is opened so
	}
	if err := f.fault(step); err != nil {
		return nil, err
	}
	return f.Root.OpenFile(name, flag, perm)
}

func (f folder) Rename(from, to string) error {
	if err := f.fault(StepRename); err != nil {
		return err
	}
	return f.Root.Rename(from, to)
}

func (f folder) Remove(name string) error {
	if err := f.fault(StepRemove); err != nil {
		return err
	}
	return f.Root.Remove(name)
}

func (f folder) Mkdir(name string, perm fs.FileMode) error {
	if err := f.fault(StepMkdir); err != nil {
		return err
	}
	return f.Root.Mkdir(name, perm)
}

// OpenFolder opens the records in a folder, which must be there, and makes what is
// in it. Close them.
func OpenFolder(name string, opts Options) (*Records, error) {
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, failed(err)
	}
	f, err := root.OpenFile(sequenceFile, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, errors.Join(failed(err), root.Close())
	}
	return open(folder{root, opts}, counter{f})
}

// read implements files.
func (f folder) read(_ context.Context, name string) ([]byte, error) { return f.ReadFile(name) }

// within is the folder of a name, opened, and the name in it: what follows is one system
// call each, and not one for every folder on the way.
func (f folder) within(name string) (in folder, base string, err error) {
	root, err := f.OpenRoot(path.Dir(name))
	return folder{root, f.opts}, path.Base(name), err
}

// list implements files. What a kill left of a write is no record.
func (f folder) list(ctx context.Context, dir string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		in, err := f.OpenRoot(dir)
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err == nil {
			defer in.Close()
			err = fs.WalkDir(in.FS(), ".", func(name string, e fs.DirEntry, err error) error {
				if err == nil {
					err = ctx.Err()
				}
				if err != nil || e.IsDir() || atomicfile.IsTemp(name) {
					return err
				}
				if !yield(path.Join(dir, name), nil) {
					return fs.SkipAll
				}
				return nil
			})
		}
		if err != nil {
			yield("", err)
		}
	}
}

// add implements files. Without bytes there is nothing that could be half written,
// and so no rename.
func (f folder) add(_ context.Context, name string, b []byte, keep atomicfile.Keep) error {
	return f.inFolder(name, keep, func() error {
		in, base, err := f.within(name)
		if err != nil {
			return err
		}
		defer in.Close()
		if _, err := in.Lstat(base); err == nil {
			return in.syncName(base, keep)
		}
		if len(b) > 0 {
			return atomicfile.Write(in, base, b, 0o600, keep)
		}
		file, err := in.OpenFile(base, os.O_WRONLY|os.O_CREATE, 0o600)
		if err != nil {
			return err
		}
		if err := file.Close(); err != nil {
			return err
		}
		return in.syncName(base, keep)
	})
}

// replace implements files.
func (f folder) replace(_ context.Context, name string, b []byte) error {
	return atomicfile.Write(f, name, b, 0o600, atomicfile.Durable)
}

// syncName makes a name durable, also one that a killed process had made.
func (f folder) syncName(name string, keep atomicfile.Keep) error {
	if keep != atomicfile.Durable {
		return nil
	}
	return atomicfile.SyncDir(f, path.Dir(name))
}

// remove implements files. The folder of a tag goes with its last record.
func (f folder) remove(_ context.Context, keep atomicfile.Keep, all ...string) error {
	removed := ""
	for _, name := range all {
		if folder, ok := strings.CutSuffix(name, "/"); ok {
			if err := f.clear(folder); err != nil {
				return err
			}
			continue
		}
		err := f.Remove(name)
		if err == nil {
			removed = name
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if removed == "" || keep != atomicfile.Durable {
		return nil
	}
	if dir := path.Dir(removed); path.Base(path.Dir(dir)) == tagsDir {
		removed = dir
		if err := f.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return f.syncName(removed, keep)
}

// clear removes a folder, and the one above when nothing else is in it.
func (f folder) clear(name string) error {
	if err := f.fault(StepRemove); err != nil {
		return err
	}
	err := f.RemoveAll(name)
	for range races {
		if !errors.Is(err, unix.ENOTEMPTY) { // somebody else records in it what will be refused
			break
		}
		err = f.RemoveAll(name)
	}
	if err != nil {
		return err
	}
	_ = f.Root.Remove(path.Dir(name)) // it holds the other kind of records, or repositories
	return nil
}

// races is how often it is tried again to write into a folder that others remove, or to
// remove one that others write into.
const races = 20

// inFolder calls write, and makes the folder of name when it is missing. With
// Durable the names of the folders survive a power cut, as that of the file.
// All names are synced at once: a file system makes one commit of that.
func (f folder) inFolder(name string, keep atomicfile.Keep, write func() error) error {
	err := write()
	for range races {
		if !errors.Is(err, fs.ErrNotExist) { // else it is missing, or somebody removes it
			break
		}
		err = f.inNewFolder(path.Dir(name), keep, write)
	}
	return err
}

func (f folder) inNewFolder(name string, keep atomicfile.Keep, write func() error) error {
	made, err := f.makeFolders(name)
	if err != nil {
		return err
	}
	all := []func() error{write}
	for _, folder := range made {
		all = append(all, func() error { return f.syncName(folder, keep) })
	}
	return limit.AtOnce(all...)
}

// makeFolders makes a folder and those above it that are missing, and says which are new
// or were made just now by another.
func (f folder) makeFolders(name string) (made []string, err error) {
	err = f.Mkdir(name, 0o700)
	if errors.Is(err, fs.ErrNotExist) {
		if made, err = f.makeFolders(path.Dir(name)); err == nil {
			err = f.Mkdir(name, 0o700)
		}
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return append(made, name), nil
}

// sync implements files.
func (f folder) sync() error {
	dir, err := f.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(dir.Fd())), dir.Close())
}

// counter is a number in a file of one length.
type counter struct{ f *os.File }

// numberLength is that of the file: a number and a line break.
const numberLength = 20

func (c counter) load() (int64, error) {
	b := make([]byte, numberLength)
	n, err := c.f.ReadAt(b, 0)
	if n < numberLength {
		return 0, nil // a new file, or one that a power cut left short
	}
	return parseNumber(string(b)), err
}

// parseNumber is 0 of what is no number.
func parseNumber(text string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func (c counter) store(n int64) error {
	_, err := c.f.WriteAt(fmt.Appendf(nil, "%*d\n", numberLength-1, n), 0)
	return err
}

func (c counter) Close() error { return errors.Join(c.f.Sync(), c.f.Close()) }
