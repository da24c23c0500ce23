package records

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"cove/content/s3store/objects"
	"cove/errdefs"
	"cove/internal/atomicfile"
)

// OpenBucket opens the records in a bucket, below records/. Close them; the bucket
// stays open.
func OpenBucket(ctx context.Context, b *objects.Bucket) (*Records, error) {
	return open(bucket{b}, &lateNumber{ctx: context.WithoutCancel(ctx), b: b})
}

// inBucket is the folder of the records.
const inBucket = "records/"

// bucket are files as objects: each is durable once it is there.
type bucket struct{ *objects.Bucket }

func (b bucket) read(ctx context.Context, name string) ([]byte, error) {
	body, err := b.Get(ctx, inBucket+name)
	if errors.Is(err, errdefs.ErrNotFound) {
		return nil, fs.ErrNotExist
	}
	return body, err
}

func (b bucket) list(ctx context.Context, folder string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for o, err := range b.List(ctx, inBucket+folder+"/") {
			if !yield(strings.TrimPrefix(o.Key, inBucket), err) || err != nil {
				return
			}
		}
	}
}

func (b bucket) add(ctx context.Context, name string, body []byte, _ atomicfile.Keep) error {
	err := b.PutNew(ctx, inBucket+name, body)
	if errors.Is(err, errdefs.ErrExists) {
		return nil
	}
	return err
}

func (b bucket) replace(ctx context.Context, name string, body []byte) error {
	return b.Put(ctx, inBucket+name, body)
}

func (b bucket) remove(ctx context.Context, _ atomicfile.Keep, names ...string) error {
	keys := make([]string, 0, len(names))
	for _, name := range names {
		if folder, ok := strings.CutSuffix(name, "/"); ok {
			if err := b.clear(ctx, folder); err != nil {
				return err
			}
			continue
		}
		keys = append(keys, path.Join(inBucket, name))
	}
	if len(keys) == 0 {
		return nil
	}
	return b.Delete(ctx, keys...)
}

func (b bucket) clear(ctx context.Context, folder string) error {
	var all []string
	for name, err := range b.list(ctx, folder) {
		if err != nil {
			return err
		}
		all = append(all, name)
	}
	if len(all) == 0 {
		return nil
	}
	return b.remove(ctx, atomicfile.Volatile, all...)
}

func (b bucket) sync() error  { return nil }
func (b bucket) Close() error { return nil }

// lateness is how old the number in a bucket may be: a request for every change
// would cost as much as the change.
const lateness = 5 * time.Second

// lateNumber is a number as an object, which is written now and then. Of several
// servers any may have written it last; it is of about the same time.
type lateNumber struct {
	ctx context.Context //nolint:containedctx // its values, for requests that nobody waits for
	b   *objects.Bucket

	mu      sync.Mutex
	n       int64
	due     *time.Timer // nil while nothing is to be written
	writing sync.WaitGroup
}

func (l *lateNumber) load() (int64, error) {
	body, err := l.b.Get(l.ctx, inBucket+sequenceFile)
	if errors.Is(err, errdefs.ErrNotFound) {
		return 0, nil
	}
	return parseNumber(string(body)), err
}

func (l *lateNumber) store(n int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.n = n; l.due == nil {
		l.writing.Add(1)
		l.due = time.AfterFunc(lateness, func() { _ = l.write() }) // the next one may succeed
	}
	return nil
}

func (l *lateNumber) write() error {
	defer l.writing.Done()
	l.mu.Lock()
	n := l.n
	l.due = nil
	l.mu.Unlock()
	return l.b.Put(l.ctx, inBucket+sequenceFile, []byte(strconv.FormatInt(n, 10)+"\n"))
}

// Close writes what is due.
func (l *lateNumber) Close() error {
	l.mu.Lock()
	due := l.due
	l.mu.Unlock()
	var err error
	if due != nil && due.Stop() {
		err = l.write()
	}
	l.writing.Wait()
	return err
}
