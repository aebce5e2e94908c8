# A bucket has one lifecycle configuration, and this is all of it: for a bucket
# that has rules of its own, copy the rule there.
resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = var.bucket

  rule {
    id     = "crossfade-abandoned-uploads"
    status = "Enabled"

    filter {
      prefix = var.prefix
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = var.days
    }
  }
}
