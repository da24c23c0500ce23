// Package output knows where a build can go: the words in which that is asked for, which
// are buildx's, and the exporters that put images into the store, archives and registries,
// these while the build goes on.
package output

import (
	"io"

	"cove/builder/export"
)

// Type is a kind of Output.
type Type string

// The types of output, by docker's names.
const (
	// Image is a local image; Registry one that is pushed as well.
	Image    Type = "image"
	Registry Type = "registry"
	// OCI and Docker are an image in an archive, as save writes it.
	OCI    Type = "oci"
	Docker Type = "docker"
	// Tar and Local are the files of the image: an archive, or a directory.
	Tar   Type = "tar"
	Local Type = "local"
	// CacheOnly keeps what the steps made in the cache alone.
	CacheOnly Type = "cacheonly"
	// Held is an image in the store that has no name.
	Held Type = "held"
)

// Output is one place where an image goes.
type Output struct {
	Type Type
	// Names are the image's; none are those of the build.
	Names []string
	// Push sends the image to the registries of its names; ByDigest under its digest
	// alone, so that images of several machines can be joined under one tag.
	Push, ByDigest bool
	// Passing is not kept here: what has the names stays what has them.
	Passing bool
	// DockerTypes gives the image docker's media types in place of the image
	// specification's.
	DockerTypes bool
	// Dest is the directory of Local, and of an OCI layout that is not to be an
	// archive. Write takes the archives.
	Dest  string
	Write func(write func(io.Writer) error) error
	// Archive, of OCI and Docker, is false for a layout in a directory.
	Archive *bool
	// Split is of Local and Tar, see export.Tar.
	Split *bool
	// Annotations are of OCI, Docker, Image and Registry.
	Annotations export.Annotations
	// Packing is how the layers are to be packed.
	Packing Packing
}

// IsImage says whether the output is an image, and not its files.
func (o Output) IsImage() bool {
	return o.Type != Tar && o.Type != Local && o.Type != CacheOnly
}

// Documents says which documents an output that is an image has beside it. Neither the
// format of docker save nor docker's media types have a place for them; and an image that
// stays here gets what was asked for and not the usual ones, so that it is known by its own
// digest.
func (o Output) Documents() export.Documents {
	switch {
	case o.Type == Docker || o.DockerTypes:
		return export.NoDocuments
	case o.Push || o.Type == OCI:
		return export.AllDocuments
	}
	return export.Asked
}
