package cloudsim

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const (
	azureMaxBlocks      = 50_000
	azureMaxUncommitted = 100_000
)

// azureBlock is one block of a blob. Its id is as sent, in base64.
type azureBlock struct {
	id   string
	data []byte
}

// azureBlocks are the uncommitted blocks of one blob. They belong to no
// version of it, and to no upload: whoever commits takes what is there.
type azureBlocks struct {
	idLen int // of the decoded ids, which must all have the same
	byID  map[string][]byte
}

func (rq *azureRequest) putBlock() error {
	if _, err := azureBlockID(rq.query.Get("blockid")); err != nil {
		return err
	}
	body, err := rq.body(azureMaxBlock)
	if err != nil {
		return err
	}
	body = rq.fault.flip(body)
	if err := rq.verify(rq.r.Header, "Content-Md5", "X-Ms-Content-Crc64", body); err != nil {
		return err
	}
	if sent := rq.r.Header.Get("Content-Md5"); sent != "" {
		rq.w.Header().Set("Content-Md5", sent)
	}
	rq.fault.unnoticed()
	return rq.stage(body)
}

// azureBlockID returns the length of a block's decoded id.
func azureBlockID(id string) (int, error) {
	raw, err := base64.StdEncoding.DecodeString(id)
	if err != nil || len(raw) == 0 || len(raw) > 64 {
		return 0, azureErr(http.StatusBadRequest, "InvalidQueryParameterValue", "Value for the query parameter blockid is invalid.")
	}
	return len(raw), nil
}

// stage keeps body as an uncommitted block, and answers.
func (rq *azureRequest) stage(body []byte) error {
	id := rq.query.Get("blockid")
	idLen, err := azureBlockID(id)
	if err != nil {
		return err
	}
	if len(body) == 0 {
		return azureErr(http.StatusBadRequest, "InvalidHeaderValue", "A block cannot be empty.")
	}
	name := azureBlobName{rq.container, rq.blob}
	rq.mu.Lock()
	blocks := rq.blocks[name]
	if blocks == nil {
		blocks = &azureBlocks{idLen: idLen, byID: map[string][]byte{}}
		rq.blocks[name] = blocks
	}
	_, again := blocks.byID[id]
	switch {
	case blocks.idLen != idLen:
		err = azureErr(http.StatusBadRequest, "InvalidBlobOrBlock", "The specified blob or block content is invalid.")
	case !again && len(blocks.byID) == azureMaxUncommitted:
		err = azureErr(http.StatusConflict, "BlockCountExceedsLimit", "The uncommitted block count cannot exceed the maximum limit of 100,000 blocks.")
	default:
		blocks.byID[id] = body
	}
	rq.mu.Unlock()
	if err != nil {
		return err
	}
	rq.w.Header().Set("X-Ms-Request-Server-Encrypted", "true")
	rq.reply(http.StatusCreated)
	return nil
}

// dropBlocks discards the uncommitted blocks, as each commit and each Put Blob
// does, those of other uploads among them.
func (rq *azureRequest) dropBlocks() {
	rq.mu.Lock()
	delete(rq.blocks, azureBlobName{rq.container, rq.blob})
	rq.mu.Unlock()
}

// uncommitted returns the uncommitted blocks; the map may be kept.
func (rq *azureRequest) uncommitted() map[string][]byte {
	rq.mu.Lock()
	defer rq.mu.Unlock()
	if b := rq.blocks[azureBlobName{rq.container, rq.blob}]; b != nil {
		return maps.Clone(b.byID)
	}
	return nil
}

// committed returns the blocks that o was made of; none for a Put Blob.
func azureCommitted(o *Object) []azureBlock {
	if o == nil || o.Extra[azureBlockExtra] == "" {
		return nil
	}
	var blocks []azureBlock
	offset := 0
	for line := range strings.SplitSeq(o.Extra[azureBlockExtra], "\n") {
		id, size, _ := strings.Cut(line, " ")
		n, err := strconv.Atoi(size)
		if err != nil || offset+n > len(o.Body) {
			return nil // not written by putBlockList
		}
		blocks = append(blocks, azureBlock{id, o.Body[offset : offset+n]})
		offset += n
	}
	return blocks
}

// azureBlockRef names a block to commit and where to look for it.
type azureBlockRef struct {
	from string // Committed, Uncommitted or Latest
	id   string
}

// azureParseBlockList reads the body of a Put Block List.
func azureParseBlockList(body []byte) ([]azureBlockRef, error) {
	bad := func() error {
		return azureErr(http.StatusBadRequest, "InvalidXmlDocument", "The specified XML is not syntactically valid.")
	}
	dec := xml.NewDecoder(bytes.NewReader(body))
	var refs []azureBlockRef
	depth, ended := 0, false
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			if !ended {
				return nil, bad()
			}
			return refs, nil
		}
		if err != nil {
			return nil, bad()
		}
		switch t := token.(type) {
		case xml.StartElement:
			depth++
			switch {
			case depth == 1 && t.Name.Local == "BlockList" && !ended:
			case depth == 2 && (t.Name.Local == "Committed" || t.Name.Local == "Uncommitted" || t.Name.Local == "Latest"):
				refs = append(refs, azureBlockRef{from: t.Name.Local})
			default:
				return nil, azureErr(http.StatusBadRequest, "UnsupportedXmlNode", "One of the XML nodes specified in the request body is not supported.")
			}
			if len(refs) > azureMaxBlocks {
				return nil, azureErr(http.StatusBadRequest, "BlockListTooLong", "The block list may not contain more than 50,000 blocks.")
			}
		case xml.EndElement:
			depth--
			ended = depth == 0
		case xml.CharData:
			if depth == 2 {
				refs[len(refs)-1].id += strings.TrimSpace(string(t))
			}
		}
	}
}

// azureResolve finds the blocks that refs name.
func azureResolve(refs []azureBlockRef, cur *Object, uncommitted map[string][]byte) ([]azureBlock, error) {
	committed := map[string][]byte{}
	for _, b := range azureCommitted(cur) {
		committed[b.id] = b.data
	}
	blocks := make([]azureBlock, len(refs))
	for i, ref := range refs {
		data, ok := uncommitted[ref.id]
		if !ok && ref.from == "Latest" || ref.from == "Committed" {
			data, ok = committed[ref.id]
		}
		if !ok {
			return nil, azureErr(http.StatusBadRequest, "InvalidBlockList", "The specified block list is invalid.")
		}
		blocks[i] = azureBlock{ref.id, data}
	}
	return blocks, nil
}

func (rq *azureRequest) putBlockList() error {
	body, err := rq.body(64 << 20)
	if err != nil {
		return err
	}
	if err := rq.verify(rq.r.Header, "Content-Md5", "X-Ms-Content-Crc64", body); err != nil {
		return err
	}
	refs, err := azureParseBlockList(body)
	if err != nil {
		return err
	}
	o := &Object{Name: rq.blob}
	if err := rq.attributes(o); err != nil {
		return err
	}
	if o.MD5, err = azureMD5Header(rq.r.Header); err != nil { // stored as it is sent
		return err
	}
	conds, err := azureConditions(rq.r.Header)
	if err != nil {
		return err
	}
	// Most of the copying is done before the bucket is locked.
	joined, _ := azureResolve(refs, rq.bucket.Get(rq.blob), rq.uncommitted())
	azureJoin(o, joined)
	stored, err := rq.bucket.Put(o, rq.origin(), func(cur *Object) error {
		if err := conds.write(cur); err != nil {
			return err
		}
		blocks, err := azureResolve(refs, cur, rq.uncommitted())
		if err != nil {
			return err
		}
		if !slices.EqualFunc(blocks, joined, azureSameBlock) {
			azureJoin(o, blocks)
		}
		return nil
	}, func(o *Object) {
		o.ETag = azureETag(o)
		rq.dropBlocks()
	})
	if err != nil {
		return err
	}
	rq.created(stored)
	return nil
}

// azureSameBlock reports whether a and b are the very same bytes in memory.
func azureSameBlock(a, b azureBlock) bool {
	return a.id == b.id && len(a.data) == len(b.data) && (len(a.data) == 0 || &a.data[0] == &b.data[0])
}

// azureJoin makes blocks the body of o.
func azureJoin(o *Object, blocks []azureBlock) {
	var size int
	lines := make([]string, len(blocks))
	for i, b := range blocks {
		size += len(b.data)
		lines[i] = b.id + " " + strconv.Itoa(len(b.data))
	}
	o.Body = make([]byte, 0, size)
	for _, b := range blocks {
		o.Body = append(o.Body, b.data...)
	}
	o.CRC32C = crc32.Checksum(o.Body, castagnoli)
	if o.Extra == nil {
		o.Extra = map[string]string{}
	}
	o.Extra[azureBlockExtra] = strings.Join(lines, "\n")
}

func (rq *azureRequest) getBlockList() error {
	conds, err := azureConditions(rq.r.Header)
	if err != nil {
		return err
	}
	o, uncommitted := rq.bucket.Get(rq.blob), rq.uncommitted()
	if o != nil || len(uncommitted) == 0 {
		if err := conds.read(o); err != nil {
			return err
		}
	}
	var b strings.Builder
	b.WriteString(xml.Header + "<BlockList>")
	which := rq.query.Get("blocklisttype")
	if which == "" || which == "committed" || which == "all" {
		azureWriteBlocks(&b, "CommittedBlocks", azureCommitted(o))
	}
	if which == "uncommitted" || which == "all" {
		var blocks []azureBlock
		for _, id := range slices.Sorted(maps.Keys(uncommitted)) {
			blocks = append(blocks, azureBlock{id, uncommitted[id]})
		}
		azureWriteBlocks(&b, "UncommittedBlocks", blocks)
	}
	b.WriteString("</BlockList>")
	h := rq.w.Header()
	if o != nil {
		azureVersionHeaders(h, o)
		h.Set("X-Ms-Blob-Content-Length", strconv.Itoa(len(o.Body)))
	}
	h.Set("Content-Type", "application/xml")
	rq.reply(http.StatusOK)
	_, _ = io.WriteString(rq.w, b.String())
	return nil
}

func azureWriteBlocks(b *strings.Builder, element string, blocks []azureBlock) {
	b.WriteString("<" + element + ">")
	for _, block := range blocks {
		fmt.Fprintf(b, "<Block><Name>%s</Name><Size>%d</Size></Block>", block.id, len(block.data)) // base64 needs no escaping
	}
	b.WriteString("</" + element + ">")
}
