package spool

import (
	"bytes"
	"os"
	"testing"

	"cove/runner/attach"
)

func TestSpool(t *testing.T) {
	t.Parallel()
	s := Spool{Dir: t.TempDir()}
	defer s.Close()
	buf := make([]byte, attach.MaxData)
	in, out := 0, 0
	for round := range 50 { // grows by one each round, and empties at the end
		for range round%7 + 1 {
			if err := s.Push(attach.TypeStderr, bytes.Repeat([]byte{byte(in)}, in%attach.MaxData)); err != nil {
				t.Fatal(err)
			}
			in++
		}
		for last := round == 49; s.Size() > 0 && (last || out < in-3); out++ {
			typ, data, err := s.Pop(buf)
			if err != nil || typ != attach.TypeStderr || !bytes.Equal(data, bytes.Repeat([]byte{byte(out)}, out%attach.MaxData)) {
				t.Fatalf("packet %d: %c, %d bytes, %v", out, typ, len(data), err)
			}
		}
	}
	if s.Size() != 0 || in != out {
		t.Errorf("%d packets in, %d out, %d bytes left", in, out, s.Size())
	}
	if entries, err := os.ReadDir(s.Dir); err != nil || len(entries) > 0 {
		t.Errorf("the spool has a name: %v, %v", entries, err)
	}
}
