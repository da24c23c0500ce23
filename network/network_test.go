package network

import "testing"

func TestPeer(t *testing.T) {
	t.Parallel()
	for mode, want := range map[Mode]string{"": "", Bridge: "", Host: "", "container:": "", "container:abc": "abc"} {
		if id, ok := mode.Peer(); id != want || ok != (want != "") {
			t.Errorf("%q: %q, %v", mode, id, ok)
		}
	}
}
