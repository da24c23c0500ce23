package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/tonistiigi/fsutil"
	fstypes "github.com/tonistiigi/fsutil/types"
	"golang.org/x/sync/errgroup"
)

// receiver is this end of fsutil's protocol: the peer tells of its files in order, this end asks
// for the contents of those that it has not, and says when it has all. What the directory has is
// known from the list of the last time, so that a tree that has not changed is not looked at.
type receiver struct {
	stream *bounded
	disk   *fsutil.RootDiskWriter
	root   *os.Root
	had    *listReader
	has    *listWriter

	order fsutil.Validator
	links fsutil.Hardlinks

	// told counts what the peer told of, by which it is asked; wanted are the numbers of files
	// that may be asked for yet.
	told    uint32
	changed bool
	folders []dated

	mu     sync.Mutex // of what follows, and of sending
	wanted map[string]uint32
	open   map[uint32]*arriving
}

// dated is a directory with the time that it has at the peer.
type dated struct {
	path string
	time time.Time
}

// run receives until the peer has nothing more.
func (r *receiver) run(ctx context.Context) (err error) {
	r.wanted, r.open = map[string]uint32{}, map[uint32]*arriving{}
	group, ctx := errgroup.WithContext(ctx)
	r.disk, err = fsutil.NewRootDiskWriter(ctx, fsutil.NewRoot(r.root), fsutil.DiskWriterOpt{AsyncDataCb: r.ask})
	if err != nil {
		return err
	}
	all := make(chan struct{}) // is closed when the peer has told of all its files
	group.Go(func() error {
		err := r.listen(ctx, all)
		if err != nil {
			r.complain(err)
		}
		return err
	})
	group.Go(func() error {
		select {
		case <-all:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := r.written(ctx); err != nil {
			r.complain(err)
			return err
		}
		return r.send(&fstypes.Packet{Type: fstypes.PACKET_FIN})
	})
	return group.Wait()
}

// written waits until what has changed is on the disk.
func (r *receiver) written(ctx context.Context) error {
	if !r.changed {
		return nil
	}
	if err := r.disk.Wait(ctx); err != nil {
		return err
	}
	// Directories in which something changed have the time of that; images have the peer's.
	for i := len(r.folders) - 1; i >= 0; i-- {
		d := r.folders[i]
		info, err := r.root.Lstat(d.path)
		if err == nil && info.IsDir() && !info.ModTime().Equal(d.time) {
			err = r.root.Chtimes(d.path, d.time, d.time)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// listen works on what the peer says.
func (r *receiver) listen(ctx context.Context, all chan<- struct{}) error {
	for {
		var p fstypes.Packet
		if err := r.stream.RecvMsg(&p); err != nil {
			return err
		}
		switch p.Type {
		case fstypes.PACKET_ERR:
			return fmt.Errorf("the client says: %s", p.Data)
		case fstypes.PACKET_STAT:
			if err := r.tell(p.Stat); err != nil {
				return err
			}
			if p.Stat == nil {
				close(all)
			}
		case fstypes.PACKET_DATA:
			if err := r.arrive(p.ID, p.Data); err != nil {
				return err
			}
		case fstypes.PACKET_FIN:
			return r.drain()
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// drain reads until the peer has ended the stream.
func (r *receiver) drain() error {
	for {
		var p fstypes.Packet
		if err := r.stream.RecvMsg(&p); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// tell compares what the peer tells of with what is here, and changes that; nil is that there is no
// more.
func (r *receiver) tell(st *fstypes.Stat) error {
	if st == nil {
		return r.deleteBefore("")
	}
	number := r.told
	r.told++
	st.Path, st.Linkname = filepath.FromSlash(st.Path), filepath.FromSlash(st.Linkname)
	info := &fsutil.StatInfo{Stat: st}
	err := errors.Join(r.order.HandleChange(fsutil.ChangeKindAdd, st.Path, info, nil),
		r.links.HandleChange(fsutil.ChangeKindAdd, st.Path, info, nil))
	if err != nil || !acceptable(st) {
		return err
	}
	if err := errors.Join(r.deleteBefore(st.Path), r.has.add(st)); err != nil {
		return err
	}
	if fs.FileMode(st.Mode).IsDir() {
		r.folders = append(r.folders, dated{st.Path, time.Unix(0, st.ModTime)})
	}
	kind := fsutil.ChangeKindAdd
	if had := r.had.at; had != nil && had.Path == st.Path {
		kind = fsutil.ChangeKindModify
		if err := r.had.next(); err != nil {
			return err
		}
		if alike(had, st) {
			return nil
		}
		if had.IsDir() && !st.IsDir() {
			if err := r.had.skipBelow(st.Path); err != nil {
				return err
			}
		}
	}
	r.changed = true
	if fs.FileMode(st.Mode).IsRegular() {
		r.mu.Lock()
		r.wanted[st.Path] = number
		r.mu.Unlock()
	}
	return r.disk.HandleChange(kind, st.Path, info, nil)
}

// deleteBefore removes what was here and comes before a path in order, of which the peer has not
// told; "" is after all paths.
func (r *receiver) deleteBefore(path string) error {
	for r.had.at != nil && (path == "" || fsutil.ComparePath(r.had.at.Path, path) < 0) {
		gone := r.had.at
		err := r.had.next()
		if err == nil && gone.IsDir() {
			err = r.had.skipBelow(gone.Path)
		}
		if err == nil {
			r.changed = true
			err = r.disk.HandleChange(fsutil.ChangeKindDelete, gone.Path, nil, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// acceptable says whether something is written at all, and makes of it what is: files of root,
// which they become in an image unless a COPY says more.
func acceptable(st *fstypes.Stat) bool {
	st.Uid, st.Gid = 0, 0
	for key := range st.Xattrs {
		if key != "security.capability" && !strings.HasPrefix(key, "user.") {
			delete(st.Xattrs, key)
		}
	}
	return fs.FileMode(st.Mode)&fs.ModeType&^(fs.ModeDir|fs.ModeSymlink) == 0
}

// alike says that what is here is what the peer has, by what it tells. As with every builder, a
// file whose contents changed without its time and size is the one that it was.
func alike(a, b *fstypes.Stat) bool {
	if a.Mode != b.Mode || a.Linkname != b.Linkname || len(a.Xattrs) != len(b.Xattrs) {
		return false
	}
	for key, value := range a.Xattrs {
		if other, ok := b.Xattrs[key]; !ok || string(other) != string(value) {
			return false
		}
	}
	return a.IsDir() || a.Size == b.Size && a.ModTime == b.ModTime
}

// arriving is a file whose contents come.
type arriving struct {
	io.WriteCloser
	done chan struct{}
}

// ask asks for a file, and waits until it is there. It is called for several at once.
func (r *receiver) ask(ctx context.Context, path string, w io.WriteCloser) error {
	file := &arriving{w, make(chan struct{})}
	r.mu.Lock()
	number, ok := r.wanted[filepath.Clean(path)]
	if ok {
		delete(r.wanted, filepath.Clean(path))
		r.open[number] = file
	}
	r.mu.Unlock()
	if !ok {
		return fmt.Errorf("%s was not told of", path)
	}
	if err := r.send(&fstypes.Packet{Type: fstypes.PACKET_REQ, ID: number}); err != nil {
		return err
	}
	select {
	case <-file.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// arrive writes a piece of a file; an empty one is its end.
func (r *receiver) arrive(number uint32, data []byte) error {
	r.mu.Lock()
	file, ok := r.open[number]
	if ok && len(data) == 0 {
		delete(r.open, number)
	}
	r.mu.Unlock()
	switch {
	case !ok:
		return fmt.Errorf("the client sends file %d, which nobody asked for", number)
	case len(data) > 0:
		_, err := file.Write(data)
		return err
	}
	err := file.Close()
	close(file.done)
	return err
}

// send sends one packet at a time.
func (r *receiver) send(p *fstypes.Packet) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stream.SendMsg(p)
}

// complain tells the peer why nothing more is received. It may have gone.
func (r *receiver) complain(err error) {
	_ = r.send(&fstypes.Packet{Type: fstypes.PACKET_ERR, Data: []byte(err.Error())})
}
