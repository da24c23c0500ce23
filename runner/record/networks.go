package record

import (
	"errors"

	"cove/errdefs"
	"cove/internal/leanjson"
	"cove/network"
)

// Networks is which networks a container is on since somebody connected or
// disconnected it: the file "networks", which whoever holds the control lock
// writes. Without it the container is on those that its config names.
type Networks struct {
	Asked []network.Attachment `json:"asked"`
	// Attached is what the container got while the life with this monitor lasts.
	Attached []network.Attached `json:"attached,omitempty"`
	Monitor  int                `json:"monitor,omitempty"`
}

const networksFile = "networks"

// Networks reads the file; nil without one.
func (d Dir) Networks() (*Networks, error) {
	var n Networks
	if err := d.read(networksFile, &n); errors.Is(err, errdefs.ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return &n, nil
}

// SetNetworks replaces the file.
func (d Dir) SetNetworks(n Networks) error {
	data, err := leanjson.Marshal(n)
	if err != nil {
		return err
	}
	return d.Write(networksFile, data, true)
}

// AskedNetwork is the network that the container asks for now.
func (d Dir) AskedNetwork(cfg Config) (network.Config, error) {
	asked := cfg.Network
	name, err := d.Name()
	if err != nil {
		return asked, err
	}
	asked.Name = name
	changed, err := d.Networks()
	if err != nil || changed == nil {
		return asked, err
	}
	if asked.Attachments = changed.Asked; len(asked.Attachments) == 0 {
		asked.Mode = network.None
	}
	return asked, nil
}
