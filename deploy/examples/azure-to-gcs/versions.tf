terraform {
  required_version = ">= 1.9"

  required_providers {
    azuread = {
      source  = "hashicorp/azuread"
      version = "~> 3.0"
    }
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 5.0"
    }
    google = {
      source  = "hashicorp/google"
      version = "~> 7.0"
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

provider "google" {
  project = var.gcp_project
}
