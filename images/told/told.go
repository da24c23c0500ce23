// Package told tells the log of a root what happened to images, under the IDs and names
// that docker gives them there.
package told

import (
	"maps"

	"github.com/opencontainers/go-digest"

	"cove/events"
	"cove/images/image"
	"cove/images/removal"
	"cove/reference"
)

func Tell(root, action, id, name string, labels map[string]string) {
	attributes := maps.Clone(labels)
	if attributes == nil {
		attributes = map[string]string{}
	}
	attributes["name"] = name
	events.Of(root).Tell(events.Event{Type: events.Image, Action: action, ID: id, Attributes: attributes})
}

// Moved tells that an image came from a registry or went to it.
func Moved(root, action string, ref reference.Reference, img image.Image) {
	Tell(root, action, ref.Familiar(), ref.FamiliarName(), img.Config.Config.Labels)
}

// Named tells what happened to an image under one of its names.
func Named(root, action string, ref reference.Reference, img image.Image) {
	Tell(root, action, img.ID.String(), ref.Familiar(), img.Config.Config.Labels)
}

// Whole tells what happened to an image under all names that it has.
func Whole(root, action string, id digest.Digest) {
	Tell(root, action, id.String(), id.String(), nil)
}

// Removed tells of names that are gone, and of the image when none is left.
func Removed(root string, removed removal.Removed, gone bool) {
	for range removed.Untagged {
		Whole(root, events.Untag, removed.Image)
	}
	if gone {
		Whole(root, events.Delete, removed.Image)
	}
}
