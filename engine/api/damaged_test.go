package api_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"cove/engine/listing"
)

// TestDamagedContainer: one whose files cannot be read is listed as dead, beside the others,
// and can be removed.
func TestDamagedContainer(t *testing.T) {
	t.Parallel()
	e := withBox(t)
	c := serve(t, e)
	id := c.create(t, `{"Image":"box","Cmd":["true"],"HostConfig":{"NetworkMode":"none"}}`)
	other := c.create(t, `{"Image":"box","Cmd":["true"],"HostConfig":{"NetworkMode":"none"}}`)
	whole, err := e.Container(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"config.json", "brief.json", "state.json", "name"} {
		if err := os.WriteFile(filepath.Join(whole.Dir(), name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, query := range []string{"all=1", "all=1&size=1"} {
		told := c.want(t, http.StatusOK, "GET", "/containers/json?"+query, "")
		has(t, told, `"Id":"`+other, `"Id":"`+id, `"State":"dead","Status":"Dead"`)
	}
	has(t, c.want(t, http.StatusOK, "GET", `/containers/json?all=1&filters={"status":["dead"]}`, ""), id)
	has(t, c.want(t, http.StatusOK, "GET", "/info", ""), `"Containers":2`)
	c.want(t, http.StatusOK, "GET", "/system/df", "")
	c.want(t, http.StatusOK, "GET", "/containers/"+other+"/json", "")
	has(t, c.want(t, http.StatusInternalServerError, "GET", "/containers/"+id+"/json", ""), "cannot be read")
	has(t, c.want(t, http.StatusInternalServerError, "POST", "/containers/"+id+"/start", ""), "cannot be read")
	c.want(t, http.StatusNoContent, "DELETE", "/containers/"+id+"?force=1", "")
	if all, err := e.Containers(t.Context(), listing.Filter{}); err != nil || len(all) != 1 {
		t.Errorf("%d containers are left: %v", len(all), err)
	}
}
