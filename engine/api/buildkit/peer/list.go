package peer

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	fstypes "github.com/tonistiigi/fsutil/types"
)

// maxTold bounds what is told of one file: a name, a link and attributes.
const maxTold = 1 << 20

// listReader reads what a peer told of its files the last time, one after the other, in order.
type listReader struct {
	file *os.File
	from *bufio.Reader
	// at is the one that is next, nil after the last.
	at *fstypes.Stat
}

// openList opens a list; one that is not there, or "", is that of nothing.
func openList(name string) (*listReader, error) {
	l := &listReader{}
	if name == "" {
		return l, nil
	}
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, err
	}
	l.file, l.from = f, bufio.NewReaderSize(f, 64<<10)
	if err := l.next(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return l, nil
}

func (l *listReader) next() error {
	l.at = nil
	if l.from == nil {
		return nil
	}
	size, err := binary.ReadUvarint(l.from)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil && size > maxTold {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	text := make([]byte, size)
	if _, err := io.ReadFull(l.from, text); err != nil {
		return err
	}
	at := &fstypes.Stat{}
	if err := at.UnmarshalVT(text); err != nil {
		return err
	}
	l.at = at
	return nil
}

// skipBelow goes past what is below a directory.
func (l *listReader) skipBelow(path string) error {
	for l.at != nil && strings.HasPrefix(l.at.Path, path+string(filepath.Separator)) {
		if err := l.next(); err != nil {
			return err
		}
	}
	return nil
}

func (l *listReader) Close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

// listWriter writes a list beside the one that is read, and then in its place.
type listWriter struct {
	name string
	file *os.File
	to   *bufio.Writer
}

// newList begins a list; "" is one that nobody reads.
func newList(name string) (*listWriter, error) {
	l := &listWriter{name: name}
	if name == "" {
		return l, nil
	}
	f, err := os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	l.file, l.to = f, bufio.NewWriterSize(f, 64<<10)
	return l, nil
}

func (l *listWriter) add(st *fstypes.Stat) error {
	if l.to == nil {
		return nil
	}
	text, err := st.MarshalVT()
	if err != nil {
		return err
	}
	var size [binary.MaxVarintLen64]byte
	_, err = l.to.Write(size[:binary.PutUvarint(size[:], uint64(len(text)))])
	if err == nil {
		_, err = l.to.Write(text)
	}
	return err
}

// Close puts the list in its place if it is to be kept.
func (l *listWriter) Close(keep bool) error {
	if l.file == nil {
		return nil
	}
	err := errors.Join(l.to.Flush(), l.file.Close())
	if err == nil && keep {
		return os.Rename(l.name+".new", l.name)
	}
	return errors.Join(err, os.Remove(l.name+".new"))
}
