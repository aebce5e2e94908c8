package cloudsim

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc64"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"crypto/md5" //nolint:gosec // Content-MD5 is MD5
)

// The limits of the service ("Scalability and performance targets").
const (
	azureMaxPutBlob = 5000 << 20
	azureMaxBlock   = 4000 << 20
)

// azureCRC64 is the table of what the service calls CRC64.
var azureCRC64 = sync.OnceValue(func() *crc64.Table { return crc64.MakeTable(0x9A6C9329AC4BC9B5) })

func (rq *azureRequest) putBlob() error {
	if t := rq.r.Header.Get("X-Ms-Blob-Type"); t == "" {
		return azureErr(http.StatusBadRequest, "MissingRequiredHeader", "An HTTP header that's mandatory for this request is not specified: x-ms-blob-type.")
	} else if t != "BlockBlob" {
		return azureErr(http.StatusBadRequest, "InvalidHeaderValue", "This server holds block blobs only.")
	}
	body, err := rq.body(azureMaxPutBlob)
	if err != nil {
		return err
	}
	body = rq.fault.flip(body)
	if err := rq.verify(rq.r.Header, "Content-Md5", "X-Ms-Content-Crc64", body); err != nil {
		return err
	}
	o := NewObject(rq.blob, body)
	if err := rq.attributes(o); err != nil {
		return err
	}
	if sent := rq.r.Header.Get("X-Ms-Blob-Content-Md5"); sent != "" && sent != base64.StdEncoding.EncodeToString(o.MD5) {
		return azureErr(http.StatusBadRequest, "Md5Mismatch", "The MD5 value specified in the request did not match with the MD5 value calculated by the server.")
	}
	rq.fault.unnoticed()
	return rq.store(o)
}

// store puts o under the conditions of the request, and answers.
func (rq *azureRequest) store(o *Object) error {
	conds, err := azureConditions(rq.r.Header)
	if err != nil {
		return err
	}
	stored, err := rq.bucket.Put(o, rq.origin(), conds.write, func(o *Object) {
		o.ETag = azureETag(o)
		rq.dropBlocks()
	})
	if err != nil {
		return err
	}
	h := rq.w.Header()
	if stored.MD5 != nil {
		h.Set("Content-Md5", base64.StdEncoding.EncodeToString(stored.MD5))
	}
	rq.created(stored)
	return nil
}

// created answers 201 for a blob as it is now.
func (rq *azureRequest) created(o *Object) {
	azureVersionHeaders(rq.w.Header(), o)
	rq.w.Header().Set("X-Ms-Request-Server-Encrypted", "true")
	rq.reply(http.StatusCreated)
}

// verify compares body with the checksums in h, and tells the client the CRC64
// that it asked to be compared.
func (rq *azureRequest) verify(h http.Header, md5Name, crcName string, body []byte) error {
	if sent := h.Get(md5Name); sent != "" {
		want, err := base64.StdEncoding.DecodeString(sent)
		if err != nil || len(want) != md5.Size {
			return azureErr(http.StatusBadRequest, "InvalidMd5", "The MD5 value specified in the request is invalid.")
		}
		if sum := md5.Sum(body); !bytes.Equal(sum[:], want) { //nolint:gosec // see the import
			return azureErr(http.StatusBadRequest, "Md5Mismatch", "The MD5 value specified in the request did not match with the MD5 value calculated by the server.")
		}
	}
	if sent := h.Get(crcName); sent != "" {
		if rq.opts.NoCRC64 {
			return azureErr(http.StatusInternalServerError, "FeatureNotSupported", "This server does not check CRC64.")
		}
		want, err := base64.StdEncoding.DecodeString(sent)
		if err != nil || len(want) != crc64.Size {
			return azureBadHeader(crcName)
		}
		if !bytes.Equal(azureCRC64Sum(body), want) {
			return azureErr(http.StatusBadRequest, "Crc64Mismatch", "The CRC64 value specified in the request did not match with the CRC64 value calculated by the server.")
		}
		rq.w.Header().Set("X-Ms-Content-Crc64", sent)
	}
	return nil
}

// azureCRC64Sum is in the byte order of the header, which is little-endian.
func azureCRC64Sum(body []byte) []byte {
	return binary.LittleEndian.AppendUint64(nil, crc64.Checksum(body, azureCRC64()))
}

// getBlob serves Get Blob, and Get Blob Properties for HEAD.
func (rq *azureRequest) getBlob() error {
	conds, err := azureConditions(rq.r.Header)
	if err != nil {
		return err
	}
	o := rq.bucket.Get(rq.blob)
	if err := conds.read(o); err != nil {
		if o != nil {
			azureVersionHeaders(rq.w.Header(), o)
		}
		return err
	}
	h := rq.w.Header()
	if rq.r.Method == http.MethodHead {
		azureBlobHeaders(h, o)
		h.Set("Content-Length", strconv.Itoa(len(o.Body)))
		rq.reply(http.StatusOK)
		return nil
	}
	if o.StorageClass == azureArchive {
		return azureErr(http.StatusConflict, "BlobArchived", "This operation is not permitted on an archived blob.")
	}
	from, to, ranged, err := azureRange(rq.r.Header, len(o.Body))
	if err != nil {
		return err
	}
	azureBlobHeaders(h, o)
	part, status := o.Body[from:to], http.StatusOK
	if ranged {
		status = http.StatusPartialContent
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to-1, len(o.Body)))
		if md5 := h.Get("Content-Md5"); md5 != "" {
			h.Set("X-Ms-Blob-Content-Md5", md5)
			h.Del("Content-Md5")
		}
		if err := azureRangeChecksums(rq.r.Header, h, part); err != nil {
			return err
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(part)))
	rq.reply(status)
	_, _ = rq.w.Write(part)
	return nil
}

// azureRange reads x-ms-range or Range: bytes=A-B or bytes=A-.
func azureRange(h http.Header, size int) (from, to int, ranged bool, err error) {
	v := h.Get("X-Ms-Range")
	if v == "" {
		v = h.Get("Range")
	}
	if v == "" {
		return 0, size, false, nil
	}
	a, b, ok := strings.Cut(strings.TrimPrefix(v, "bytes="), "-")
	from64, err := strconv.ParseInt(a, 10, 64)
	if !ok || err != nil || from64 < 0 || !strings.HasPrefix(v, "bytes=") {
		return 0, 0, false, azureBadHeader("Range")
	}
	last := int64(size) - 1
	if b != "" {
		if last, err = strconv.ParseInt(b, 10, 64); err != nil || last < from64 {
			return 0, 0, false, azureBadHeader("Range")
		}
	}
	if from64 >= int64(size) {
		return 0, 0, false, azureErr(http.StatusRequestedRangeNotSatisfiable, "InvalidRange", "The range specified is invalid for the current size of the resource.")
	}
	return int(from64), int(min(last, int64(size)-1)) + 1, true, nil
}

// azureRangeChecksums answers the checksums of a range of up to 4 MiB.
func azureRangeChecksums(asked, h http.Header, part []byte) error {
	wantMD5, wantCRC := asked.Get("X-Ms-Range-Get-Content-Md5") == "true", asked.Get("X-Ms-Range-Get-Content-Crc64") == "true"
	if !wantMD5 && !wantCRC {
		return nil
	}
	if len(part) > 4<<20 {
		return azureErr(http.StatusBadRequest, "OutOfRangeInput", "One of the request inputs is out of range.")
	}
	if wantMD5 {
		sum := md5.Sum(part) //nolint:gosec // see the import
		h.Set("Content-Md5", base64.StdEncoding.EncodeToString(sum[:]))
	}
	if wantCRC {
		h.Set("X-Ms-Content-Crc64", base64.StdEncoding.EncodeToString(azureCRC64Sum(part)))
	}
	return nil
}

func (rq *azureRequest) deleteBlob() error {
	conds, err := azureConditions(rq.r.Header)
	if err != nil {
		return err
	}
	if _, _, err := rq.bucket.Delete(rq.blob, rq.origin(), false, conds.change); err != nil {
		return err
	}
	rq.w.Header().Set("X-Ms-Delete-Type-Permanent", "true")
	rq.reply(http.StatusAccepted)
	return nil
}
