terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
    azuread = {
      source  = "hashicorp/azuread"
      version = "~> 3.0"
    }
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 5.0"
    }
  }
}

# The module's account has no keys, so that the provider must not ask for any.
provider "azurerm" {
  subscription_id     = var.azure_subscription_id
  storage_use_azuread = true

  resource_providers_to_register = [
    "Microsoft.App", "Microsoft.EventGrid", "Microsoft.Insights", "Microsoft.ManagedIdentity", "Microsoft.OperationalInsights",
    "Microsoft.Storage", "Microsoft.Web",
  ]

  features {
    storage {
      data_plane_available = false
    }
  }
}

provider "aws" {
  region = var.aws_region

  default_tags {
    tags = var.tags
  }
}
