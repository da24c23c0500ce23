package migrate

import (
	"context"
	"strings"

	"cove/content"
	"cove/content/s3store/objects"
	"cove/errdefs"
)

// Place is the storage of another registry as people name it, and how its bytes come.
type Place struct {
	// Name is a folder, or s3://BUCKET[/PREFIX].
	Name string
	// Link has files come by a second name of them, from the same file system.
	Link bool
	// Service is that of a bucket, whose name and prefix are Name's. nil is the one of
	// the registry's own bucket, which then copies by itself.
	Service *objects.Config
	// Tags are given with it, if the storage does not have them.
	Tags Tags
}

// Open opens it for a registry with this storage, and says how bytes come there. own is
// the registry's bucket, or nil.
func (p Place) Open(ctx context.Context, to content.BlobStore, own *objects.Config) (Origin, Give, error) {
	place, bucket := strings.CutPrefix(p.Name, "s3://")
	switch {
	case bucket && p.Link:
		return nil, nil, errdefs.Suggest(errdefs.Errorf(errdefs.ErrInvalid,
			"%s is a bucket: what lies there has no links", p.Name), errdefs.CopyFiles, "")
	case bucket:
		return p.openBucket(ctx, place, to, own)
	case p.Service != nil:
		return nil, nil, errdefs.Errorf(errdefs.ErrInvalid, "%s is a folder, and a service of buckets is named: "+
			"write s3://BUCKET[/PREFIX]", p.Name)
	}
	linker, ok := to.(content.Linker)
	if p.Link && !ok {
		return nil, nil, errdefs.Suggest(errdefs.Errorf(errdefs.ErrInvalid,
			"this registry's storage is a bucket, and no file system"), errdefs.CopyFiles, "")
	}
	origin, err := OpenFolder(p.Name)
	if err != nil {
		return nil, nil, err
	}
	if !p.Link {
		return origin, nil, nil
	}
	return origin, origin.Link(linker), nil
}

func (p Place) openBucket(
	ctx context.Context, place string, to content.BlobStore, own *objects.Config,
) (Origin, Give, error) {
	var at objects.Config
	switch {
	case p.Service != nil:
		at = *p.Service
	case own != nil:
		at = *own
	default:
		return nil, nil, errdefs.Suggest(errdefs.Errorf(errdefs.ErrInvalid,
			"%s: this registry has no bucket whose service could be meant", p.Name), errdefs.NameService, "")
	}
	at.Bucket, at.Prefix, _ = strings.Cut(place, "/")
	origin, err := OpenBucket(ctx, at)
	if err != nil {
		return nil, nil, err
	}
	copier, ok := to.(Copier)
	if p.Service != nil || !ok {
		return origin, nil, nil
	}
	return origin, origin.Copy(copier), nil
}
