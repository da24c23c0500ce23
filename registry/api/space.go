package api

import (
	"cove/errdefs"
	"cove/registry/api/rest"
	"cove/registry/browse"
)

// Space is what takes the space in an image, in bytes of files that are not packed. Lists
// have 50 files at most.
type Space struct {
	Name        string       `json:"name"`
	Digest      string       `json:"digest"`
	Packed      int64        `json:"packed"` // bytes of the layers
	Files       int          `json:"files"`
	Bytes       int64        `json:"bytes"` // of the files that are seen
	HiddenFiles int          `json:"hiddenFiles"`
	HiddenBytes int64        `json:"hiddenBytes"` // of files that a layer holds and one above it hides
	Largest     []LargeFile  `json:"largest"`
	Hidden      []HiddenFile `json:"hidden"`
	Cut         bool         `json:"cut,omitempty"` // not all of the layers was read
}

// LargeFile is a file of an image.
type LargeFile struct {
	Path  string `json:"path"`
	Size  int64  `json:"size"`
	Layer string `json:"layer"` // the digest of that which holds it
}

// HiddenFile is a file that nobody sees, as a layer above has replaced it or taken it away.
type HiddenFile struct {
	Path    string `json:"path"`
	Size    int64  `json:"size"`
	Layer   string `json:"layer"`
	By      string `json:"by"` // the digest of the layer that hides it
	Deleted bool   `json:"deleted"`
}

func (a *API) space(asked *rest.Ask) (any, error) {
	name, err := browse.ParseName(asked.PathValue("artifact"))
	if err != nil {
		return nil, err
	}
	if a.cfg.Registry == nil { // beside a server
		return nil, errdefs.Errorf(errdefs.ErrUnsupported, "layers are read by a server of the registry: ask one")
	}
	s, err := a.browse.Space(asked.Context(), asked.Caller, name)
	if err != nil {
		return nil, err
	}
	out := Space{
		Name: name.String(), Digest: s.Artifact.Manifest.Digest.String(), Packed: s.Artifact.Size, Files: s.Files,
		Bytes: s.Bytes, HiddenFiles: s.LostFiles, HiddenBytes: s.LostBytes, Cut: s.Cut,
		Largest: []LargeFile{}, Hidden: []HiddenFile{},
	}
	for _, f := range s.Largest {
		out.Largest = append(out.Largest, LargeFile{f.Path, f.Size, f.Layer.String()})
	}
	for _, f := range s.Lost {
		out.Hidden = append(out.Hidden, HiddenFile{f.Path, f.Size, f.Layer.String(), f.By.String(), f.Removed})
	}
	return out, nil
}
