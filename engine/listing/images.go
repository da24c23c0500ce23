package listing

import (
	"context"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/errdefs"
	"cove/images"
	"cove/images/image"
	"cove/reference"
)

// None stands for a name or tag that an image has not.
const None = "<none>"

// Image is an image under one of its names, as images shows it.
type Image struct {
	image.Image
	// Repository is short, as it is typed; Tag and it may be None.
	Repository, Tag string
	// Digest is what the registry of this name knows it by, or "".
	Digest digest.Digest
	// Size is that of its layers unpacked, in bytes.
	Size int64
}

// ImageFilter chooses images: docker's conditions, by key. Values of reference are
// alternatives, all others must hold. The keys are before and since (an image:
// what is older, newer), dangling (true or false), label (KEY or KEY=VALUE),
// reference (a pattern as of path.Match over NAME or NAME:TAG) and until (a time,
// or how long ago: what is older).
type ImageFilter map[string][]string

// Images lists images, newest first, a row for each of their names. A condition
// that does not exist, or has no such value, is errdefs.ErrInvalid; an image in
// before or since that is not here is errdefs.ErrNotFound.
func Images(ctx context.Context, store *images.Store, f ImageFilter, now time.Time) ([]Image, error) {
	tests, err := f.tests(ctx, store, now)
	if err != nil {
		return nil, err
	}
	all, err := store.List(ctx)
	if err != nil {
		return nil, err
	}
	var rows []Image
	for _, img := range all {
		size := store.Sizes().Image(ctx, img)
		for _, r := range OfImage(img) {
			r.Size = size
			if !slices.ContainsFunc(tests, func(holds func(Image) bool) bool { return !holds(r) }) {
				rows = append(rows, r)
			}
		}
	}
	return rows, nil
}

// OfImage is a row for each name of an image, without its size.
func OfImage(img image.Image) []Image {
	var rows []Image
	for _, n := range img.Names {
		r := Image{Image: img, Repository: n.FamiliarName(), Tag: n.Tag}
		for _, d := range img.Digests {
			if d.Name() == n.Name() {
				r.Digest = d.Digest
			}
		}
		rows = append(rows, r)
	}
	if len(rows) > 0 {
		return rows
	}
	for _, d := range img.Digests {
		rows = append(rows, Image{Image: img, Repository: d.FamiliarName(), Tag: None, Digest: d.Digest})
	}
	if len(rows) == 0 {
		rows = []Image{{Image: img, Repository: None, Tag: None}}
	}
	return rows
}

func (f ImageFilter) tests(ctx context.Context, store *images.Store, now time.Time) ([]func(Image) bool, error) {
	var tests []func(Image) bool
	for key, values := range f {
		if key == "reference" {
			for _, v := range values {
				if _, err := path.Match(v, ""); err != nil {
					return nil, errdefs.Errorf(errdefs.ErrInvalid, "filter reference=%s: %w", v, err)
				}
			}
			tests = append(tests, func(r Image) bool { return slices.ContainsFunc(values, r.called) })
			continue
		}
		for _, v := range values {
			test, err := imageTest(ctx, store, key, v, now)
			if err != nil {
				return nil, err
			}
			tests = append(tests, test)
		}
	}
	return tests, nil
}

func imageTest(
	ctx context.Context, store *images.Store, key, value string, now time.Time,
) (func(Image) bool, error) {
	switch key {
	case "dangling":
		want, err := strconv.ParseBool(value)
		if err != nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "invalid filter 'dangling=%s': want true or false", value)
		}
		return func(r Image) bool {
			if want {
				return len(r.Names) == 0
			}
			return len(r.Names)+len(r.Digests) > 0 // docker's: one that has a digest alone is both
		}, nil
	case "label":
		return func(r Image) bool { return HasLabel(r.Config.Config.Labels, value) }, nil
	case "until":
		limit, err := Moment(value, now)
		if err != nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "filter until=%s: %w", value, err)
		}
		return func(r Image) bool { return r.Created.Before(limit) }, nil
	case "before", "since":
		than, err := store.Get(ctx, value)
		if err != nil {
			return nil, err
		}
		if key == "before" {
			return func(r Image) bool { return r.Created.Before(than.Created) }, nil
		}
		return func(r Image) bool { return r.Created.After(than.Created) }, nil
	}
	return nil, errdefs.Errorf(errdefs.ErrInvalid,
		"invalid filter '%s': there are before, dangling, label, reference, since, until", key)
}

// called reports whether a pattern matches NAME or NAME:TAG, as they are shown. A
// whole name may also be given as its registry has it: docker.io/library/redis.
func (r Image) called(pattern string) bool {
	if r.Repository == None {
		return false
	}
	for _, name := range []string{r.Repository, r.Repository + ":" + r.Tag, r.Repository + "@" + r.Digest.String()} {
		if ok, err := path.Match(pattern, name); ok && err == nil {
			return true
		}
	}
	ref, err := reference.Parse(pattern)
	if err != nil || ref.FamiliarName() != r.Repository {
		return false
	}
	if ref.Digest != "" {
		return ref.Digest == r.Digest
	}
	return ref.Tag == r.Tag || !strings.HasSuffix(pattern, ":"+ref.Tag) // no tag was typed: any
}

// Moment reads a duration before now, a time of RFC 3339 (the shorter forms are
// local), or seconds since 1970, as 0 is, too. Anything else is errdefs.ErrInvalid.
func Moment(text string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil && text != "0" {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	if t, ok := unix(text); ok {
		return t, nil
	}
	return time.Time{}, errdefs.Errorf(errdefs.ErrInvalid,
		"want a duration (10m), a time (2006-01-02T15:04:05Z) or seconds since 1970")
}

// unix reads SECONDS[.FRACTION] to the nanosecond, which a float of 64 bits does not hold.
func unix(text string) (time.Time, bool) {
	const digits = 9
	whole, fraction, _ := strings.Cut(text, ".")
	fraction = (fraction + strings.Repeat("0", digits))[:digits]
	sec, err := strconv.ParseInt(whole, 10, 64)
	nano, nerr := strconv.ParseUint(fraction, 10, 32)
	return time.Unix(sec, int64(nano)), err == nil && nerr == nil
}
