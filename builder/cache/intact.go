package cache

import (
	"context"
	"fmt"
	"syscall"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
)

// Intact says whether the record's blob is there as it was stored, by reading it: unless
// the file is the one that was read before, and was not written to since. read says that
// it was read, and that the record is to be kept with what it says of the file now.
func (r *Record) Intact(ctx context.Context, store content.Provider) (ok, read bool, err error) {
	now := seal(ctx, store, r.Blob)
	if now != "" && now == r.Read {
		return true, false, nil
	}
	ok, err = content.Intact(ctx, store, r.Blob, true)
	if !ok || err != nil {
		return ok, false, err
	}
	r.Read = now
	return true, now != "", nil
}

// tick is longer than the kernel's clock for times of files stands still: a file that was
// changed this recently may be changed once more and keep its times.
const tick = 100 * time.Millisecond

// seal is which file a blob is, and when it was last written to; "" if that cannot be told.
func seal(ctx context.Context, store content.Provider, blob ocispec.Descriptor) string {
	r, err := store.Open(ctx, blob)
	if err != nil {
		return ""
	}
	defer r.Close()
	file, ok := r.(content.FileReader)
	if !ok {
		return ""
	}
	fi, err := file.File().Stat()
	if err != nil {
		return ""
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok || time.Since(time.Unix(st.Ctim.Unix())) < tick {
		return ""
	}
	return fmt.Sprintf("%d %d %d %d %d", st.Dev, st.Ino, st.Size, st.Mtim.Nano(), st.Ctim.Nano())
}
