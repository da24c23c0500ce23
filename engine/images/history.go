package images

import (
	"context"
	"time"

	"github.com/opencontainers/go-digest"
)

// Step is one line of an image's history.
type Step struct {
	// ID is the image's on its newest line, and "" on the others, whose images
	// nobody has.
	ID        digest.Digest
	Created   time.Time // zero where nothing says when
	CreatedBy string
	Comment   string
	// Size is the size of the layer that it made, in bytes; 0 for none.
	Size int64
	// Names are the image's, on its newest line.
	Names []string
}

// History tells how an image was made, the newest step first.
func (is *Images) History(ctx context.Context, name string) ([]Step, error) {
	store, err := is.store()
	if err != nil {
		return nil, err
	}
	img, err := store.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	entries := store.Sizes().History(ctx, img)
	steps := make([]Step, 0, len(entries))
	for _, e := range entries {
		steps = append(steps, Step{
			Created: e.CreatedAt(), CreatedBy: e.CreatedBy, Comment: e.Comment, Size: e.Size,
		})
	}
	if len(steps) > 0 {
		steps[0].ID = img.ID
		for _, n := range img.Names {
			steps[0].Names = append(steps[0].Names, n.Familiar())
		}
	}
	return steps, nil
}
