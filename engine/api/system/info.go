package system

import (
	"net/http"

	"cove/engine/api/route"
	"cove/engine/api/wire"
	"cove/engine/dockertypes"
)

func (a *API) info(w http.ResponseWriter, r *route.Request) error {
	told, err := a.engine.Info(r.Context())
	if err != nil {
		return err
	}
	if r.Version.Before(wire.V(50)) {
		// Whether br_netfilter was loaded, which no network needs any more: old clients
		// warn of what is not there, newer ones know no such fields.
		return wire.JSON(w, http.StatusOK, struct {
			dockertypes.Info
			BridgeNfIptables  bool
			BridgeNfIP6tables bool `json:"BridgeNfIp6tables"`
		}{Info: told})
	}
	return wire.JSON(w, http.StatusOK, told)
}
