package engine

import (
	"errors"
	"testing"

	"cove/engine/listing"
	"cove/errdefs"
)

// TestPruneOptions: which filters go with what, and the two that are options.
func TestPruneOptions(t *testing.T) {
	t.Parallel()
	f := func(key, value string) listing.PruneFilter { return listing.PruneFilter{key: {value}} }
	for name, tt := range map[string]struct {
		o                    PruneOptions
		refused              bool
		allImages, allVolume bool
	}{
		"containers":                {PruneOptions{Containers: true, Filter: f("until", "1h")}, false, false, false},
		"images of a label":         {PruneOptions{Images: true, Filter: f("label!", "keep")}, false, false, false},
		"images that dangle":        {PruneOptions{Images: true, Filter: f("dangling", "true")}, false, false, false},
		"all images":                {PruneOptions{Images: true, Filter: f("dangling", "0")}, false, true, false},
		"all volumes":               {PruneOptions{Volumes: true, Filter: f("all", "1")}, false, false, true},
		"dangling maybe":            {PruneOptions{Images: true, Filter: f("dangling", "maybe")}, true, false, false},
		"dangling containers":       {PruneOptions{Containers: true, Filter: f("dangling", "true")}, true, false, false},
		"volumes by age":            {PruneOptions{Volumes: true, Filter: f("until", "1h")}, true, false, false},
		"everything with a volume":  {PruneOptions{Containers: true, Volumes: true, Images: true, Filter: f("until", "1h")}, true, false, false},
		"everything of one label":   {PruneOptions{Containers: true, Volumes: true, Images: true, Filter: f("label", "x")}, false, false, false},
		"what does not exist":       {PruneOptions{Containers: true, Filter: f("colour", "red")}, true, false, false},
		"all images, as an option":  {PruneOptions{AllImages: true}, false, true, false},
		"nothing but what is loose": {PruneOptions{}, false, false, false},
	} {
		err := tt.o.check()
		if (err != nil) != tt.refused || err != nil && !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && (tt.o.AllImages != tt.allImages || tt.o.AllVolumes != tt.allVolume) {
			t.Errorf("%s: %+v", name, tt.o)
		}
	}
}
