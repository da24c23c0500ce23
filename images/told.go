package images

import (
	"maps"

	"github.com/opencontainers/go-digest"

	"cove/events"
	"cove/images/image"
	"cove/images/removal"
	"cove/reference"
)

// tell tells the log of the root what happened to an image, under the ID and name
// that docker gives it there.
func (s *Store) tell(action, id, name string, labels map[string]string) {
	attributes := maps.Clone(labels)
	if attributes == nil {
		attributes = map[string]string{}
	}
	attributes["name"] = name
	events.Of(s.cfg.Root).Tell(events.Event{Type: events.Image, Action: action, ID: id, Attributes: attributes})
}

// tellMoved tells that an image came from a registry or went to it.
func (s *Store) tellMoved(action string, ref reference.Reference, img image.Image) {
	s.tell(action, ref.Familiar(), ref.FamiliarName(), img.Config.Config.Labels)
}

func (s *Store) tellNamed(action string, ref reference.Reference, img image.Image) {
	s.tell(action, img.ID.String(), ref.Familiar(), img.Config.Config.Labels)
}

func (s *Store) tellWhole(action string, id digest.Digest) {
	s.tell(action, id.String(), id.String(), nil)
}

// tellRemoved tells of names that are gone, and of the image when none is left.
func (s *Store) tellRemoved(removed removal.Removed, gone bool) {
	for range removed.Untagged {
		s.tellWhole(events.Untag, removed.Image)
	}
	if gone {
		s.tellWhole(events.Delete, removed.Image)
	}
}
