"""Addresses of SCIM 2.0."""

from django.urls import path, re_path

from tenants.api.scim import views

urlpatterns = [
    path("Users", views.UsersView.as_view(), name="scim-users"),
    path("Users/.search", views.SearchView.as_view(), name="scim-search-users"),
    path("Users/<str:user_id>", views.UserView.as_view(), name="scim-user"),
    path(".search", views.SearchView.as_view(), name="scim-search"),
    path("ServiceProviderConfig", views.ProviderConfigView.as_view(), name="scim-provider"),
    path("ResourceTypes", views.ResourceTypesView.as_view(), name="scim-resource-types"),
    path("ResourceTypes/<str:name>", views.ResourceTypesView.as_view(), name="scim-resource-type"),
    path("Schemas", views.SchemasView.as_view(), name="scim-schemas"),
    path("Schemas/<str:name>", views.SchemasView.as_view(), name="scim-schema"),
    re_path(r"^", views.NothingView.as_view(), name="scim-nothing"),
]
