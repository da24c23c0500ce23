package records

import (
	"context"
	"path"
	"strings"

	"cove/internal/atomicfile"
)

// Copied are the records of a repository that were copied to another name, by how they
// are called below the name. The zero value is none.
type Copied map[string]bool

// Copy writes what is recorded of a repository under another name too, but for what done
// says is there; done then says that it is. It is durable after Sync.
func (r *Records) Copy(ctx context.Context, from, to string, done Copied) error {
	for _, kind := range []string{manifestsDir, tagsDir} {
		for name, err := range r.files.list(ctx, path.Join(names, from, kind)) {
			if err != nil {
				return failed(err)
			}
			below := strings.TrimPrefix(name, names+"/"+from+"/")
			if done[below] {
				continue
			}
			body, err := r.files.read(ctx, name)
			if err == nil {
				err = r.files.add(ctx, path.Join(names, to, below), body, atomicfile.Volatile)
			}
			if err != nil {
				return failed(err)
			}
			done[below] = true
		}
	}
	return nil
}

// Gone are those of copied records that are not recorded any more under the name that they
// were copied from: they went while they were copied.
func (r *Records) Gone(ctx context.Context, from string, copied Copied) (gone []string, err error) {
	here := Copied{}
	for _, kind := range []string{manifestsDir, tagsDir} {
		for name, err := range r.files.list(ctx, path.Join(names, from, kind)) {
			if err != nil {
				return nil, failed(err)
			}
			here[strings.TrimPrefix(name, names+"/"+from+"/")] = true
		}
	}
	for below := range copied {
		if !here[below] {
			gone = append(gone, below)
		}
	}
	return gone, nil
}

// Drop removes what Gone found from under the name that it was copied to.
func (r *Records) Drop(ctx context.Context, to string, gone []string) error {
	for _, below := range gone {
		if err := r.files.remove(ctx, atomicfile.Volatile, path.Join(names, to, below)); err != nil {
			return failed(err)
		}
	}
	return nil
}

// Forget removes all that is recorded of a repository. What a power cut brings back of it
// is a record too many.
func (r *Records) Forget(ctx context.Context, repo string) error {
	for _, kind := range []string{tagsDir, manifestsDir} {
		if err := r.files.remove(ctx, atomicfile.Volatile, path.Join(names, repo, kind)+"/"); err != nil {
			return failed(err)
		}
	}
	return nil
}
